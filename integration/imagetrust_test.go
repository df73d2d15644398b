package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// floor writes the administrator's floor of the machine.
func (m *machine) floor(body string) {
	m.t.Helper()
	m.write("etc/floor.yaml", "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: floor}\n"+body+"\n")
}

// TestTrustedOrigin: where an image may come from, and that it is named by its
// digest, whether a profile or the floor says so.
func TestTrustedOrigin(t *testing.T) {
	m, h, other := newMachine(t), newHub(t), newHub(t)
	digest := h.push("acme/app:1", withPeek(t, "app"))
	h.push("acmeevil/app:1", withPeek(t, "app"))
	other.push("acme/app:1", withPeek(t, "app"))
	layout := filepath.Join(t.TempDir(), "layout")
	intoLayout(t, layout, "app", withPeek(t, "app"))
	pinned := h.name("acme/app@" + digest.String())
	wrong := h.name("acme/app@sha256:" + strings.Repeat("0", 64))

	for _, test := range []struct{ policy, name, refused string }{
		{"registries: [" + h.host + "]", h.name("acme/app:1"), ""},
		{"registries: [" + h.host + "/acme]", h.name("acme/app:1"), ""},
		{"registries: [" + h.host + "/acme]", h.name("acmeevil/app:1"), "may be run from"},
		{"registries: [" + h.host + "]", other.name("acme/app:1"), "may be run from"},
		{"registries: [" + h.host + "]", "oci:" + layout + ":app", "registr"},
		{"registries: []", h.name("acme/app:1"), "registr"},
		{"registries: [" + h.host + "]", "dir:" + built(t).root, "no digest"},
		{"requireDigest: true", h.name("acme/app:1"), "digest"},
		{"requireDigest: true", pinned, ""},
		{"requireDigest: true", wrong, ""},
		{"requireDigest: true", built(t).peek, "no digest"},
	} {
		what := test.policy + ", " + test.name
		words := append(profile(t, "image: {"+test.policy+"}"), test.name)
		if strings.HasPrefix(test.name, "dir:") || strings.HasPrefix(test.name, "/") {
			words = append(words, "/peek", "id")
		}
		r := m.run(words...)
		if test.refused == "" && test.name != wrong {
			says(t, r, "app", what)
		} else {
			refused(t, r, what, test.refused)
		}
	}
	// What the floor asks for, no profile takes away, and what it did not check
	// does not run because it is in the store.
	says(t, m.run(h.name("acme/app:1")), "app", "without a floor")
	m.floor("image: {requireDigest: true, registries: [" + h.host + "/acme]}")
	refused(t, m.run(h.name("acme/app:1")), "under the floor", "digest")
	refused(t, m.run(append(profile(t, "image: {requireDigest: false}"), h.name("acme/app:1"))...), "a looser profile under the floor")
	refused(t, m.run("dir:"+built(t).root, "/peek", "id"), "a directory under the floor", "no digest")
	says(t, m.run(pinned), "app", "pinned, under the floor")
}

// TestSignedImages: the formats of cosign count, and nothing else does.
func TestSignedImages(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	key, stranger := newSigner(t), newSigner(t)
	image := withPeek(t, "signed")
	digest := h.push("legacy:1", image)
	for _, repository := range []string{"bundle", "foreign", "foreignbundle", "attested", "misplaced", "misplacedbundle", "unsigned"} {
		h.push(repository+":1", image)
	}
	another := h.push("another:1", withPeek(t, "another"))
	empty := map[string]any{}
	key.legacy(h, "legacy", digest, digest)
	key.bundle(h, "bundle", digest, statement(t, signPredicate, digest, empty))
	stranger.legacy(h, "foreign", digest, digest)
	key.legacy(h, "misplaced", digest, another)
	stranger.bundle(h, "foreignbundle", digest, statement(t, signPredicate, digest, empty))
	key.bundle(h, "attested", digest, statement(t, vulnPredicate, digest, empty))
	key.bundle(h, "misplacedbundle", digest, statement(t, signPredicate, another, empty))

	policy := profile(t, "image: {signatures: [{name: release, keys: ["+key.public+"]}]}")
	for repository, why := range map[string]string{
		"legacy": "", "bundle": "",
		"foreign": "another key", "foreignbundle": "another key", "attested": "attestation",
		"misplaced": "another digest", "misplacedbundle": "another digest", "unsigned": "sign",
	} {
		r := m.run(append(policy, h.name(repository+":1"))...)
		if why == "" {
			says(t, r, "signed", repository)
			says(t, m.alone(append(policy, h.name(repository+":1"))...), "signed", repository+", warm")
			continue
		}
		refused(t, r, repository, why)
		// It is refused for this policy alone, and nothing of it has run before.
		says(t, m.run(h.name(repository+":1")), "signed", repository+" without a policy")
		refused(t, m.run(append(policy, h.name(repository+":1"))...), repository+", now in the store", why)
	}
	refused(t, m.run(append(policy, "dir:"+built(t).root, "/peek", "id")...), "a directory", "no digest")
	m.floor("image: {signatures: [{name: company, keys: [" + stranger.public + "]}]}")
	refused(t, m.run(append(policy, h.name("legacy:1"))...), "signed for the profile but not for the floor", "company")
	stranger.bundle(h, "legacy", digest, statement(t, signPredicate, digest, empty))
	says(t, m.run(append(policy, h.name("legacy:1"))...), "signed", "signed for both")
}

// TestCheckedAgain: what was verified is verified again when it expires, and
// when a file that it was verified with is another.
func TestCheckedAgain(t *testing.T) {
	m, h, key, stranger := newMachine(t), newHub(t), newSigner(t), newSigner(t)
	digest := h.push("app:1", withPeek(t, "app"))
	key.bundle(h, "app", digest, statement(t, signPredicate, digest, map[string]any{}))
	words := append(profile(t, "image: {signatures: [{name: release, keys: ["+key.public+"]}]}"), h.name("app:1"))
	says(t, m.run(words...), "app", "signed")
	says(t, m.alone(words...), "app", "signed, warm")

	expire(t, m)
	if r := m.alone(words...); r.code != 125 {
		t.Errorf("after its verification has expired it ran: %q", r.line())
	}
	says(t, m.run(words...), "app", "verified again")
	says(t, m.alone(words...), "app", "verified again, warm")

	text, err := os.ReadFile(stranger.public)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := os.ReadFile(key.public)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key.public, text, 0o644); err != nil {
		t.Fatal(err)
	}
	refused(t, m.run(words...), "with another key in the file", "another key")
	if err := os.WriteFile(key.public, mine, 0o644); err != nil {
		t.Fatal(err)
	}
	says(t, m.run(words...), "app", "with the right key in the file")
	verify := append([]string{"image", "verify"}, words...)
	if r := m.run(verify...); r.code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", r.code, r.out, r.err)
	}

	m.write("home/.config/containers/policy.json", `{"default":[{"type":"reject"}]}`)
	refused(t, m.run(words...), "rejected by policy.json", "policy.json")
	refused(t, m.run(h.name("app:1")), "rejected by policy.json, without a profile", "policy.json")
	if r := m.run(verify...); r.code == 0 || !strings.Contains(r.out+r.err, "policy.json") {
		t.Errorf("verify of what is rejected: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	m.write("home/.config/containers/policy.json", `{"default":[{"type":"insecureAcceptAnything"}]}`)
	says(t, m.run(words...), "app", "accepted again")
}

// expire sets the end of every verification to the past.
func expire(t *testing.T, m *machine) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(m.store, "refs", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no records: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var record map[string]any
		if err := json.Unmarshal(text, &record); err != nil {
			t.Fatal(err)
		}
		if record["expires"] == nil {
			t.Errorf("what was verified never expires: %s", text)
		}
		record["expires"] = time.Now().Add(-time.Second)
		if err := os.WriteFile(file, encode(t, record), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The finding of the reports here.
const (
	finding   = "CVE-2099-0001"
	findingIn = "pkg:deb/debian/curl@7.88"
	trivyForm = `{"SchemaVersion":2,"Trivy":{"Version":"0.70.0"},"CreatedAt":%q,"ArtifactType":"container_image","Metadata":{"ImageID":%q},` +
		`"Results":[{"Class":"os-pkgs","Type":"debian","Vulnerabilities":[{"VulnerabilityID":"` + finding + `","PkgName":"curl","PkgIdentifier":{"PURL":"` + findingIn + `"},` +
		`"InstalledVersion":"7.88","FixedVersion":"7.89","Severity":%q}]}]}`
)

// trivyReport is a report of Trivy about an image, with one finding.
func trivyReport(created time.Time, config v1.Hash, severity string) string {
	return fmt.Sprintf(trivyForm, created.UTC().Format(time.RFC3339), config, severity)
}

// TestVulnerabilityGate: an image runs when a report that is its own and young
// enough has nothing that the profile does not let pass.
func TestVulnerabilityGate(t *testing.T) {
	m, h, key := newMachine(t), newHub(t), newSigner(t)
	image := withPeek(t, "app")
	h.push("app:1", image)
	name := h.name("app:1")
	config, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	now, foreign := time.Now(), v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}
	vex := m.write("home/vex.json", `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.com/vex/1","author":"us","timestamp":"2026-01-01T00:00:00Z","version":1,`+
		`"statements":[{"vulnerability":{"name":"`+finding+`"},"products":[{"@id":"pkg:deb/debian/curl"}],"status":"not_affected","justification":"vulnerable_code_not_present"}]}`)
	report := filepath.Join(m.home, "report.json")
	gate := "block: high, sources: [report], report: " + report
	for _, test := range []struct{ what, report, gate, refused string }{
		{"nothing bad", trivyReport(now, config, "LOW"), gate, ""},
		{"a critical finding", trivyReport(now, config, "CRITICAL"), gate, finding},
		{"a critical finding that VEX takes back", trivyReport(now, config, "CRITICAL"), gate + ", vex: [" + vex + "], why: test", ""},
		{"a report of another image", trivyReport(now, foreign, "LOW"), gate, "report"},
		{"an old report", trivyReport(now.Add(-48*time.Hour), config, "LOW"), gate, "old"},
		{"a report from the future", trivyReport(now.Add(time.Hour), config, "LOW"), gate, "future"},
		{"no report in it", "{}", gate, "report"},
		{"no JSON", "<html>", gate, "report"},
		{"no file", "", gate, "report"},
		{"nobody may report", trivyReport(now, config, "LOW"), "block: high, sources: []", ""},
	} {
		if err := os.WriteFile(report, []byte(test.report), 0o644); err != nil {
			t.Fatal(err)
		}
		if test.report == "" {
			os.Remove(report)
		}
		r := m.run(append(profile(t, "image: {vulnerabilities: {"+test.gate+"}}"), name)...)
		if test.refused == "" && test.what != "nobody may report" {
			says(t, r, "app", test.what)
		} else {
			refused(t, r, test.what, test.refused)
		}
	}
	gateByAttestation(t, m, h, key, image)
	gateByScanner(t, m, name)
}

// gateByAttestation has the report signed and kept beside the image.
func gateByAttestation(t *testing.T, m *machine, h *hub, key signer, image v1.Image) {
	t.Helper()
	config, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	policy := profile(t, "image: {signatures: [{name: release, keys: ["+key.public+"]}], vulnerabilities: {block: high, sources: [attestation]}}")
	for repository, severity := range map[string]string{"clean": "LOW", "bad": "HIGH"} {
		digest := h.push(repository+":1", image)
		words := append(policy, h.name(repository+":1"))
		key.bundle(h, repository, digest, statement(t, signPredicate, digest, map[string]any{}))
		refused(t, m.run(words...), repository+" without a report", "attestation")
		key.bundle(h, repository, digest, statement(t, vulnPredicate, digest, map[string]any{
			"scanner":  map[string]any{"uri": "trivy", "db": map[string]any{"lastUpdate": now}, "result": json.RawMessage(trivyReport(now, config, severity))},
			"metadata": map[string]any{"scanStartedOn": now, "scanFinishedOn": now},
		}))
		if severity == "LOW" {
			says(t, m.run(words...), "app", "a clean report that is signed")
		} else {
			refused(t, m.run(words...), "a bad report that is signed", finding)
		}
	}
}

// fakeTrivy reports one finding of the severity that the file beside it says,
// about the image that it is given.
const fakeTrivy = `#!/bin/sh
here=$(dirname "$0")
echo "$@" >>"$here/called"
while [ $# -gt 0 ]; do
	[ "$1" = --input ] && layout=$2
	shift
done
manifest=$(sed 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' "$layout/index.json")
config=$(sed 's/.*"config":{[^}]*"digest":"\(sha256:[0-9a-f]*\)".*/\1/' "$layout/blobs/sha256/$manifest")
sed "s/CONFIG/$config/" "$here/report"
`

// gateByScanner has a scanner look at the image.
func gateByScanner(t *testing.T, m *machine, name string) {
	t.Helper()
	program := m.write("home/bin/trivy", fakeTrivy)
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	m.env = append(m.env, "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	m.write("home/.cache/trivy/db/metadata.json", fmt.Sprintf(`{"Version":2,"UpdatedAt":%q}`, time.Now().UTC().Format(time.RFC3339)))
	words := append(profile(t, "image: {vulnerabilities: {block: high, sources: [scanner]}}"), name)
	report := func(severity string) {
		text := trivyReport(time.Now(), v1.Hash{Algorithm: "sha256", Hex: "x"}, severity)
		m.write("home/bin/report", strings.Replace(text, "sha256:x", "CONFIG", 1))
	}
	report("HIGH")
	refused(t, m.run(words...), "what a scanner finds", finding)
	report("LOW")
	says(t, m.run(words...), "app", "what a scanner lets pass")
	says(t, m.alone(words...), "app", "what a scanner has let pass, warm")
	calls, err := os.ReadFile(filepath.Join(filepath.Dir(program), "called"))
	if err != nil || strings.Count(string(calls), "\n") != 2 {
		t.Errorf("the scanner was called (%v):\n%swant twice", err, calls)
	}
	m.write("home/bin/report", "Segmentation fault")
	expire(t, m)
	refused(t, m.run(words...), "a scanner that gives no report", "trivy")
}
