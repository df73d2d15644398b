package trust

import (
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// TestRegistries compares at slashes, and one name in all the ways in which it
// is written.
func TestRegistries(t *testing.T) {
	for _, c := range []struct {
		allowed    []string
		repository string
		ok         bool
	}{
		{nil, "evil.example/x", true},
		{nil, "", true},
		{[]string{}, "ghcr.io/acme/app", false},
		{[]string{"ghcr.io"}, "", false},
		{[]string{"ghcr.io"}, "ghcr.io/acme/app", true},
		{[]string{"ghcr.io/acme"}, "ghcr.io/acme/app", true},
		{[]string{"ghcr.io/acme/"}, "ghcr.io/acme/app", true},
		{[]string{"ghcr.io/acme/app"}, "ghcr.io/acme/app", true},
		{[]string{"ghcr.io/acme"}, "ghcr.io/acme-evil/app", false},
		{[]string{"ghcr.io/acme"}, "ghcr.io/Acme/app", false},
		{[]string{"ghcr.io"}, "ghcr.io.evil.example/acme/app", false},
		{[]string{"ghcr.io"}, "evil.example/ghcr.io/app", false},
		{[]string{"GHCR.IO"}, "ghcr.io/acme/app", true},
		{[]string{"ghcr.io"}, "GHCR.io:443/acme/app", true},
		{[]string{"ghcr.io:443"}, "ghcr.io/acme/app", true},
		{[]string{"ghcr.io"}, "ghcr.io:8443/acme/app", false},
		{[]string{"localhost:5000"}, "localhost:5000/app", true},
		{[]string{"localhost"}, "localhost:5000/app", false},
		{[]string{"docker.io/library"}, "nginx", true},
		{[]string{"docker.io/library"}, "docker.io/nginx", true},
		{[]string{"docker.io/library"}, "index.docker.io/library/nginx", true},
		{[]string{"index.docker.io"}, "acme/app", true},
		{[]string{"docker.io/library"}, "acme/app", false},
		{[]string{"registry:443"}, "registry:443/app", true},
		{[]string{"registry"}, "registry/app", false},
		{[]string{"ghcr.io"}, "ghcr.io:443:443/acme/app", false},
		{[]string{"ghcr.io"}, "user@ghcr.io/acme/app", false},
		{[]string{""}, "ghcr.io/acme/app", false},
		{[]string{"/"}, "ghcr.io/acme/app", false},
		{[]string{"ghcr.io/acme"}, "ghcr.io/acme/../evil/app", false},
		{[]string{"ghcr.io/acme"}, "ghcr.io/acme//app", false},
		{[]string{"quay.io", "ghcr.io"}, "ghcr.io/acme/app", true},
	} {
		s := subject()
		s.Repository = c.repository
		_, err := Check(t.Context(), spec.Trust{Registries: c.allowed}, s)
		if (err == nil) != c.ok {
			t.Errorf("%q of %q: %v", c.repository, c.allowed, err)
		}
	}
}

// TestDigest wants the digest in the reference, and says how it gets there.
func TestDigest(t *testing.T) {
	asks := spec.Trust{RequireDigest: true}
	s := subject()
	_, err := Check(t.Context(), asks, s)
	if err == nil || !strings.Contains(problem.HintOf(err), "docker://ghcr.io/acme/app@"+theIndex.String()) {
		t.Errorf("not pinned: %v, %q", err, problem.HintOf(err))
	}
	s.Pinned = true
	if v, err := Check(t.Context(), asks, s); err != nil || len(v.Steps) != 1 || v.Steps[0].Held != theIndex.String() {
		t.Errorf("pinned: %+v, %v", v, err)
	}
	s.Made, s.Transport = true, "docker-archive"
	if _, err := Check(t.Context(), asks, s); err == nil || !strings.Contains(err.Error(), "docker-archive keeps no published digest") {
		t.Errorf("made here: %v", err)
	}
}

// TestExpires bounds a verdict when anything was asked, and only then.
func TestExpires(t *testing.T) {
	if v, err := Check(t.Context(), spec.Trust{}, subject()); err != nil || !v.Expires.IsZero() {
		t.Errorf("nothing was asked: %+v, %v", v, err)
	}
	if v, err := Check(t.Context(), spec.Trust{Vulnerabilities: &spec.Vulnerabilities{}}, subject()); err != nil || v.Expires.IsZero() {
		t.Errorf("a gate was asked for: %+v, %v", v, err)
	}
	if v, err := Check(t.Context(), spec.Trust{Registries: []string{"ghcr.io"}}, subject()); err != nil || v.Expires.IsZero() {
		t.Errorf("a registry was asked for: %+v, %v", v, err)
	}
}
