package image

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// TestByID opens images by their ids, as far as the policy held for a name that
// means them.
func TestByID(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	s := newStore(t)
	digest := func(n string) string { return "sha256:" + strings.Repeat(n, 64/len(n)) }
	add := func(manifest, config, name string, policy spec.Trust, change func(*Record)) {
		t.Helper()
		must(t, s.PutEntry(&Entry{Digest: digest(manifest), ConfigRaw: digest(config)}))
		hash, err := TrustHash(policy)
		must(t, err)
		r := &Record{Digest: digest(manifest), Trust: hash}
		if change != nil {
			change(r)
		}
		if name != "" {
			must(t, s.PutRecord(Reference{Path: name}, r))
		}
	}
	strict := spec.Trust{Registries: []string{"ghcr.io"}}
	add("1a", "a1", "app:1", spec.Trust{}, nil)
	add("1b", "a1", "ghcr.io/app:1", strict, nil) // the same image, found in a registry
	add("2a", "b1", "", spec.Trust{}, nil)
	add("3a", "c1c1c1c1c1c1c1c1", "old:1", spec.Trust{}, func(r *Record) { r.Expires = time.Now().Add(-time.Hour) })
	add("4a", "c1c1c1c1c1c1c1c2", "new:1", spec.Trust{}, nil)
	// A name that is made like an id still is a name.
	add("5a", "d1", "d1d1d1d1d1d1:latest", strict, nil)
	program := "/bin/false"
	for name, c := range map[string]struct {
		policy         spec.Trust
		pull           Pull
		opens          string
		what, hint, id string
	}{
		"config":               {id: "a1a1a1a1a1a1", opens: digest("1a")},
		"config, whole":        {id: digest("a1"), opens: digest("1a")},
		"without sha256:":      {id: strings.Repeat("a1", 32), opens: digest("1a")},
		"manifest":             {id: "sha256:1a1a1a1a1a1a", opens: digest("1a")},
		"never from elsewhere": {id: "a1a1a1a1a1a1", pull: PullNever, opens: digest("1a")},
		"the one that holds":   {id: "a1a1a1a1a1a1", policy: strict, opens: digest("1b")},
		"not that one":         {id: "1a1a1a1a1a1a", policy: strict, what: "was not checked under this profile", hint: "safe-run app:1"},
		"digest asked for":     {id: digest("a1"), policy: spec.Trust{RequireDigest: true}, what: "was not checked", hint: "safe-run app:1"},
		"too short":            {id: "a1a1a1a1a1a", what: "safe-run-image", hint: "run it by hand"},
		"no name":              {id: "b1b1b1b1b1b1", what: "no name means it", hint: "image pull"},
		"expired":              {id: "3a3a3a3a3a3a", what: "was not checked", hint: "safe-run old:1"},
		"two":                  {id: "c1c1c1c1c1c1", what: "2 images", hint: digest("c1c1c1c1c1c1c1c2")},
		"always":               {id: "a1a1a1a1a1a1", pull: PullAlways, what: "is an id", hint: "leave --pull always out"},
		"a name":               {id: "d1d1d1d1d1d1", what: "safe-run-image", hint: "run it by hand"},
		"none":                 {id: "e1e1e1e1e1e1", what: "safe-run-image", hint: "run it by hand"},
		"none, whole":          {id: digest("e1"), what: "digest without a name", hint: "NAME@"},
	} {
		t.Run(name, func(t *testing.T) {
			img, err := open(t, c.id, Options{Store: s.Path(), Program: program, Trust: c.policy, Pull: c.pull})
			if c.opens != "" {
				must(t, err)
				if img.Spec.Digest != c.opens || img.Spec.Reference != c.id {
					t.Errorf("it opened %s as %s, want %s", img.Spec.Digest, img.Spec.Reference, c.opens)
				}
				must(t, img.Close())
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.what) || !strings.Contains(problem.HintOf(err), c.hint) {
				t.Errorf("%v, hint %q; want %q, hint %q", err, problem.HintOf(err), c.what, c.hint)
			}
		})
	}
}

// TestFileHere: a file that has an image's name is told from one, and how to
// ask for the image.
func TestFileHere(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.MkdirAll("layout", 0o755))
	must(t, os.Mkdir("tree", 0o755))
	write(t, "layout/oci-layout", "{}", 0o644)
	write(t, "app.tar", "tar", 0o644)
	write(t, "app", "app", 0o755)
	for name, hint := range map[string]string{
		"tree":       "write dir:tree; for an image of a registry safe-run image pull tree",
		"layout":     "write oci:layout; for an image",
		"app.tar":    "docker-archive:./app.tar",
		"app:latest": "./app",
	} {
		err := FileHere(Reference{Path: name})
		if err == nil || !strings.Contains(err.Error(), "does not say of which form") || !strings.Contains(problem.HintOf(err), hint) {
			t.Errorf("%s: %v, hint %q; want %q", name, err, problem.HintOf(err), hint)
		}
	}
	for _, r := range []Reference{{Path: "other"}, {Transport: Docker, Path: "app"}} {
		if err := FileHere(r); err != nil {
			t.Errorf("%s: %v", r, err)
		}
	}
}
