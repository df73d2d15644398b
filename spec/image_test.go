package spec_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec"
)

// imageOf reads an image section.
func imageOf(t *testing.T, body string) profiles.Profile {
	t.Helper()
	p, err := profiles.Decode("site", []byte("apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: site}\nimage:\n"+body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const wholeImage = `  registries: [ghcr.io/acme]
  requireDigest: true
  signatures:
    - name: release
      keys: [/etc/acme.pub]
      keyless: [{issuer: "https://i.example", subjectRegExp: "x.*"}]
      trustRoot: /etc/root.json
      why: what we built
  vulnerabilities: {block: high, fixableOnly: true, maxAge: 168h, sources: [scanner, attestation], vex: [/etc/vex.json], why: noise}
`

func TestTrustOf(t *testing.T) {
	gate := func(change func(*spec.Vulnerabilities)) spec.Trust {
		v := &spec.Vulnerabilities{Block: "high", MaxAge: 24 * time.Hour, Sources: []spec.VulnerabilitySource{spec.FromScanner}}
		change(v)
		return spec.Trust{Vulnerabilities: v}
	}
	for _, c := range []struct {
		what, body string
		want       spec.Trust
	}{
		{"nothing", "  requireDigest: false\n", spec.Trust{}},
		{"no registry", "  registries: []\n", spec.Trust{Registries: []string{}}},
		{"a gate and its defaults", "  vulnerabilities: {block: high}\n", gate(func(*spec.Vulnerabilities) {})},
		{"a report", "  vulnerabilities: {block: high, report: /r}\n", gate(func(v *spec.Vulnerabilities) {
			v.Report, v.Sources = "/r", []spec.VulnerabilitySource{spec.FromReport, spec.FromScanner}
		})},
		{"no report", "  vulnerabilities: {block: high, report: none, sources: [report]}\n", gate(func(v *spec.Vulnerabilities) {
			v.Sources = []spec.VulnerabilitySource{}
		})},
		{"everything", wholeImage, spec.Trust{
			Registries: []string{"ghcr.io/acme"}, RequireDigest: true,
			Signatures: []spec.SignedBy{{
				Name: "release", Keys: []string{"/etc/acme.pub"}, TrustRoot: "/etc/root.json",
				Keyless: []spec.Identity{{Issuer: "https://i.example", SubjectRegExp: "x.*"}},
			}},
			Vulnerabilities: &spec.Vulnerabilities{
				Block: "high", FixableOnly: true, MaxAge: 168 * time.Hour, VEX: []string{"/etc/vex.json"},
				Sources: []spec.VulnerabilitySource{spec.FromAttestation, spec.FromScanner},
			},
		}},
	} {
		got := spec.TrustOf(imageOf(t, c.body))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
		// It is handed on as JSON, which must not turn none into any.
		var back spec.Trust
		if err := json.Unmarshal(marshal(t, got), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, back); diff != "" {
			t.Errorf("%s, handed on: %s", c.what, diff)
		}
	}
	for _, name := range builtin.Names() {
		if got := spec.TrustOf(input(t, name).Profile); !got.Zero() {
			t.Errorf("the profile %s asks for %+v", name, got)
		}
	}
}

func TestImageDecisions(t *testing.T) {
	in := input(t, "default")
	in.Profile = profiles.Layer(in.Profile, imageOf(t, wholeImage))
	plan := compile(t, in)
	if diff := cmp.Diff(spec.TrustOf(in.Profile), *plan.Trust); diff != "" {
		t.Error(diff)
	}
	for setting, want := range map[string]string{
		"image registries":        "ghcr.io/acme|site:5|images come from nowhere else|",
		"image digest":            "needed in the name|site:6|a tag can be moved to another image|",
		"image signature release": "by /etc/acme.pub or https://i.example subjectRegExp x.*|site:8|what we built|",
		"image vulnerabilities": "none of severity high or worse, known at most 168h ago, from attestation, scanner|site:13|noise|" +
			"vulnerabilities that have no fix yet pass",
		"image vex": "/etc/vex.json|site:13||findings that these documents set aside pass",
	} {
		d := decision(t, plan, setting)
		if got := fmt.Sprintf("%s|%s|%s|%s", d.Value, d.Source, d.Why, d.Weakens); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", setting, got, want)
		}
	}
	for age, want := range map[string]string{"90m": "1h30m", "1h": "1h", "20s": "20s", "24h": "24h", "10m": "10m", "1h0m5s": "1h0m5s"} {
		in.Profile = profiles.Layer(in.Profile, imageOf(t, "  vulnerabilities: {maxAge: "+age+", why: noise}\n"))
		if got := decision(t, compile(t, in), "image vulnerabilities").Value; !strings.Contains(got, "at most "+want+" ago") {
			t.Errorf("%s: %s", age, got)
		}
	}
	if plan := compile(t, input(t, "default")); plan.Trust != nil {
		t.Errorf("nothing is asked, and the plan says %+v", plan.Trust)
	}
}

// What the policy asks is nothing that an image without a digest can have.
func TestTrustNeedsADigest(t *testing.T) {
	in := input(t, "default")
	in.Profile = profiles.Layer(in.Profile, imageOf(t, "  requireDigest: true\n"))
	in.Image.Digest = ""
	if _, err := spec.Compile(in); err == nil || !strings.Contains(err.Error(), "the image has no digest") {
		t.Errorf("error %v", err)
	}
	in.Profile = profiles.Layer(in.Profile, imageOf(t, "  requireDigest: false\n"))
	if _, err := spec.Compile(in); err != nil {
		t.Error(err)
	}
}
