package house

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unwanted are texts that belong to one machine, or to work that is not done.
// They are put together here so that this file does not hold them.
func unwanted(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
	patterns := map[string]*regexp.Regexp{
		"a path of somebody's machine": regexp.MustCompile(`/(home|Users)/[a-z][a-z0-9]+/|/root/` + `go\b`),
		"work that is not done":        regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`),
		"a mark of a merge":            regexp.MustCompile(`(?m)^(<<<<<<<|>>>>>>>) `),
	}
	here, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	// The directory of the checkout itself, unless it is one that everybody has.
	if parent := filepath.Dir(here); parent != "/" && parent != os.TempDir() {
		patterns["the directory of a checkout"] = regexp.MustCompile(regexp.QuoteMeta(here) + `\b`)
	}
	return patterns
}

func tracked(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", top, "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("git ls-files: %v: that no machine's paths are in the repository was not checked", err)
	}
	return strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
}

func TestNothingOfOneMachine(t *testing.T) {
	patterns := unwanted(t)
	for _, name := range tracked(t) {
		data, err := os.ReadFile(filepath.Join(top, name))
		if err != nil || bytes.IndexByte(data, 0) >= 0 {
			continue // removed in this checkout, or not text
		}
		for what, pattern := range patterns {
			if at := pattern.FindIndex(data); at != nil {
				t.Errorf("%s:%d has %s: %q", name, 1+bytes.Count(data[:at[0]], []byte("\n")), what, data[at[0]:at[1]])
			}
		}
	}
}

// TestNoBinaries: what is built is not kept.
func TestNoBinaries(t *testing.T) {
	for _, name := range tracked(t) {
		info, err := os.Lstat(filepath.Join(top, name))
		if err != nil {
			continue
		}
		if info.Size() > 1<<20 {
			t.Errorf("%s has %d bytes: build it, or fetch it where it is needed", name, info.Size())
		}
		data, err := os.ReadFile(filepath.Join(top, name))
		if err == nil && bytes.HasPrefix(data, []byte("\x7fELF")) {
			t.Errorf("%s is a program that was built", name)
		}
	}
}
