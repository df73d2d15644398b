package policies

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
)

// etc makes an administrator's directory of these files.
func etc(t *testing.T, files map[string]string) Host {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return Host{Etc: dir, Owner: uint32(os.Getuid())}
}

// bundlePolicy is what a bundle with this annotation is held to by safe-run-oci.
func bundlePolicy(h Host, annotation string) (*profiles.Profile, error) {
	c, err := h.BundleConfig(OCI)
	if err != nil {
		return nil, err
	}
	return h.ForBundle(annotation, c.Profile)
}

const (
	head      = "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: "
	small     = head + "small}\nextends: default\nresources: {pids: 7}\n"
	floor     = head + "floor}\nresources: {pids: 5}\n"
	ociConfig = "apiVersion: safe-run.dev/v1\nkind: OCI\nprofile: small\nonConflict: strip\n"
)

func TestForBundle(t *testing.T) {
	for _, c := range []struct {
		name, annotation string
		files            map[string]string
		want             string // name and pids, or an error
		pids             int64
	}{
		{"nothing is configured", "", nil, "", 0},
		{"the bundle's", "batch", nil, "batch", 128},
		{"oci.yaml's", "", map[string]string{"oci.yaml": ociConfig, "profiles/small.yaml": small}, "small", 7},
		{"the bundle's before oci.yaml's", "default", map[string]string{"oci.yaml": ociConfig, "profiles/small.yaml": small}, "default", 128},
		{"within the floor", "default", map[string]string{"floor.yaml": floor}, "default", 5},
		{"a floor alone", "", map[string]string{"floor.yaml": floor}, "default", 5},
		{"not there", "nope", nil, "error: there is no profile", 0},
		{"a path, from a bundle", "/etc/passwd", nil, "error: there is no profile", 0},
		{"a path up, from a bundle", "../floor", map[string]string{"floor.yaml": floor}, "error: there is no profile", 0},
		{"a broken oci.yaml", "", map[string]string{"oci.yaml": "kind: [\n"}, "error: oci.yaml", 0},
		{"a broken floor", "default", map[string]string{"floor.yaml": "x: 1\n"}, "error: floor.yaml", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := bundlePolicy(etc(t, c.files), c.annotation)
			want, isError := strings.CutPrefix(c.want, "error: ")
			switch {
			case isError:
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			case err != nil:
				t.Error(err)
			case want == "":
				if p != nil {
					t.Errorf("got %s", p.Metadata.Name)
				}
			case p.Metadata.Name != want || *p.Resources.Pids != c.pids:
				t.Errorf("got %s with %d pids", p.Metadata.Name, *p.Resources.Pids)
			}
		})
	}
}

func TestParseBundleConfig(t *testing.T) {
	for name, text := range map[string]string{
		"unknown field": ociConfig + "profiles: x\n", "two documents": ociConfig + "---\n" + ociConfig, "kind": strings.Replace(ociConfig, "OCI", "Profile", 1),
		"an allowance": ociConfig + "allow: [batch]\n", "version": strings.Replace(ociConfig, "v1", "v2", 1), "conflict": strings.Replace(ociConfig, "strip", "ignore", 1), "empty": "",
	} {
		if c, err := ParseBundleConfig(OCI, []byte(text)); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	c, err := ParseBundleConfig(OCI, []byte(strings.Replace(ociConfig, "onConflict: strip\n", "", 1)))
	if err != nil || c.OnConflict != Refuse {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestOthersCannotConfigure: a file that others can write is not believed.
func TestOthersCannotConfigure(t *testing.T) {
	h := etc(t, map[string]string{"oci.yaml": ociConfig})
	if err := os.Chmod(filepath.Join(h.Etc, "oci.yaml"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := bundlePolicy(h, ""); err == nil || !strings.Contains(err.Error(), "others") {
		t.Errorf("got %v", err)
	}
}

// TestLinksAreFollowed: what is judged is what is mounted.
func TestLinksAreFollowed(t *testing.T) {
	link := filepath.Join(t.TempDir(), "harmless")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	oci := &specs.Spec{Mounts: []specs.Mount{{Destination: "/x", Source: link, Options: []string{"rbind"}}, {Destination: "/proc", Type: "proc", Source: "proc"}}}
	if err := ResolveSources(oci, "/"); err != nil || oci.Mounts[0].Source != "/etc" || oci.Mounts[1].Source != "proc" {
		t.Errorf("%+v, %v", oci.Mounts, err)
	}
	oci.Mounts[0].Source = "/none"
	if err := ResolveSources(oci, "/"); err == nil {
		t.Error("a source that is not there")
	}
}

// TestAccept: what the administrator accepts for all bundles holds within the
// floor, has a reason, and is known.
func TestAccept(t *testing.T) {
	accepts := ociConfig + "accept: [{name: landlock, why: a test}]\n"
	for _, c := range []struct {
		config, floor string
		want          bool
		err           string
	}{
		{accepts, "", true, ""},
		{accepts, head + "floor}\naccept: []\n", false, ""},
		{ociConfig, "", false, ""},
		{strings.Replace(accepts, "why: a test", "why: ' '", 1), "", false, "accept has entries"},
		{strings.Replace(accepts, "landlock", "nosuch", 1), "", false, "accept has entries"},
	} {
		files := map[string]string{"oci.yaml": c.config, "profiles/small.yaml": small}
		if c.floor != "" {
			files["floor.yaml"] = c.floor
		}
		h := etc(t, files)
		config, err := h.BundleConfig(OCI)
		if err != nil || c.err != "" {
			if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.config, err)
			}
			continue
		}
		p, err := h.ForBundle("", config.Profile, config.Accept...)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(p.Accept, func(a profiles.Accept) bool { return a.Name == profiles.WeakLandlock }); got != c.want {
			t.Errorf("%s, %q: %t", c.config, c.floor, got)
		}
	}
}

func FuzzParseBundleConfig(f *testing.F) {
	f.Add([]byte(ociConfig))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte(ociConfig + "accept: [{name: landlock, why: a reason}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := ParseBundleConfig(OCI, data); err == nil && c.OnConflict != Refuse && c.OnConflict != Strip {
			t.Errorf("%+v", c)
		}
	})
}
