package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// TestWarnings: every file that a profile names is looked at.
func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, open, gone := file("good", 0o644), file("open", 0o664), filepath.Join(dir, "gone")
	p := profiles.Profile{Image: profiles.Image{
		Signatures:      []profiles.Signature{{Name: "a", Keys: []string{good, open}, TrustRoot: gone}},
		Vulnerabilities: profiles.Vulnerabilities{Report: &dir, VEX: []string{gone, good}},
	}}
	want := []struct{ what, hint string }{
		{open + " can be written by others (mode 0664)", "chmod go-w " + open},
		{"there is no " + gone + " on this host", "put it there"},
		{dir + " cannot be used: not a regular file", "name a file"},
		{"there is no " + gone + " on this host", "put it there"},
	}
	got := warnings(p)
	if len(got) != len(want) {
		t.Fatalf("warnings %v, want %v", got, want)
	}
	for i, err := range got {
		if err.Error() != want[i].what || !strings.HasPrefix(problem.HintOf(err), want[i].hint) {
			t.Errorf("%v, hint %q; want %v", err, problem.HintOf(err), want[i])
		}
	}
	report := profiles.NoReport
	if got := warnings(profiles.Profile{Image: profiles.Image{Vulnerabilities: profiles.Vulnerabilities{Report: &report}}}); got != nil {
		t.Errorf("of no report: %v", got)
	}
}
