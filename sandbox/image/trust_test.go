package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// TestTrustHash changes one thing after the other that decides about images.
func TestTrustHash(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	key := filepath.Join(dir, "key.pub")
	write(t, key, "one", 0o644)
	policy := spec.Trust{Signatures: []spec.SignedBy{{Name: "a", Keys: []string{key}}}}
	hash := func() string {
		t.Helper()
		h, err := TrustHash(policy)
		must(t, err)
		return h
	}
	seen := map[string]string{hash(): "nothing"}
	for _, c := range []struct {
		name   string
		change func()
	}{
		{"policy", func() { policy.RequireDigest = true }},
		{"no registry in place of any", func() { policy.Registries = []string{} }},
		{"key of the same size", func() { time.Sleep(10 * time.Millisecond); write(t, key, "two", 0o644) }},
		{"policy.json", func() {
			must(t, os.Mkdir(filepath.Join(dir, "containers"), 0o755))
			write(t, filepath.Join(dir, "containers", "policy.json"), "{}", 0o644)
		}},
		{"policy.json again", func() { write(t, filepath.Join(dir, "containers", "policy.json"), "{ }", 0o644) }},
	} {
		c.change()
		h := hash()
		if before, same := seen[h]; same {
			t.Errorf("after a change of %s the hash is that after %s", c.name, before)
		}
		seen[h] = c.name
		if hash() != h {
			t.Errorf("after a change of %s the hash is another each time", c.name)
		}
	}
	for name, c := range map[string]struct {
		change     func()
		what, hint string
	}{
		"others may write": {func() { must(t, os.Chmod(key, 0o664)) }, "can be written by others", "chmod go-w"},
		"gone":             {func() { must(t, os.Remove(key)) }, "no such file", "put the file there"},
	} {
		write(t, key, "two", 0o644)
		c.change()
		if _, err := TrustHash(policy); err == nil || !strings.Contains(err.Error(), c.what) || !strings.Contains(problem.HintOf(err), c.hint) {
			t.Errorf("%s: %v, hint %q", name, err, problem.HintOf(err))
		}
	}
}

// TestUnnamed: what has no digest is refused where images are checked, with
// what would help.
func TestUnnamed(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		image  string
		policy spec.Trust
		hint   string
	}{
		{"dir:" + dir, spec.Trust{Registries: []string{}}, "use a profile that asks nothing of images: this one lets no image run"},
		{"dir:" + dir, spec.Trust{Registries: []string{"ghcr.io"}}, "make an image of it, push it to a registry of image.registries; or "},
		{"dir:" + dir, spec.Trust{RequireDigest: true}, "push it to a registry, run it by its digest; or "},
		{"./app", spec.Trust{Signatures: []spec.SignedBy{{}}}, "put it into an image, push it to a registry, sign it there (cosign sign); or "},
		{"dir:" + dir, spec.Trust{Vulnerabilities: new(spec.Vulnerabilities)}, "safe-run image import dir:" + dir + " NAME, then safe-run NAME; or "},
	} {
		_, err := Open(t.Context(), c.image, Options{Trust: c.policy})
		if err == nil || !strings.Contains(err.Error(), "no digest") || !strings.Contains(problem.HintOf(err), c.hint) {
			t.Errorf("%s under %+v: %v, hint %q; want %q", c.image, c.policy, err, problem.HintOf(err), c.hint)
		}
	}
}
