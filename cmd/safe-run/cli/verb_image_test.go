package cli

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image"
)

func TestCutProfile(t *testing.T) {
	for line, want := range map[string]struct{ rest, profile, err string }{
		"pull nginx":                     {"pull nginx", "default", ""},
		"--profile web pull nginx":       {"pull nginx", "web", ""},
		"pull --profile=web nginx":       {"pull nginx", "web", ""},
		"pull nginx --profile ./a.b":     {"pull nginx", "./a.b", ""},
		"pull --profile a --profile b x": {"pull x", "b", ""},
		"pull -- --profile x":            {"pull -- --profile x", "default", ""},
		"pull --profile":                 {"", "", "--profile needs a value"},
	} {
		rest, profile, err := cutProfile(strings.Fields(line))
		if strings.Join(rest, " ") != want.rest || profile != want.profile || (err == nil) != (want.err == "") || err != nil && err.Error() != want.err {
			t.Errorf("%s: %q, %q, %v", line, rest, profile, err)
		}
	}
}

func TestImageVerbOf(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "-q": "", "pull x": "pull", "--store /s pull x": "pull", "--store=/s -q ls": "ls",
		"--profile pull rm x": "rm", "--format json --store ls verify x": "verify", "--store": "",
	} {
		if got := imageVerbOf(strings.Fields(line)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func FuzzImageArguments(f *testing.F) {
	for _, seed := range []string{"pull\x00x", "--profile\x00web\x00pull", "--\x00--profile", "--profile", "--profile="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		before := slices.Clone(args)
		rest, _, err := cutProfile(args)
		if !slices.Equal(args, before) || err == nil && len(rest) > len(args) {
			t.Fatalf("%q became %q of %q", before, rest, args)
		}
		_ = imageVerbOf(args)
	})
}

// TestImageNames: names of the store complete; a broken record is left out.
func TestImageNames(t *testing.T) {
	dir := t.TempDir() + "/store"
	if got := imageNamesIn(dir); got != nil {
		t.Errorf("of no store: %q", got)
	}
	store, err := image.CreateStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{
		"nginx": "docker://docker.io/library/nginx", "docker://ghcr.io/acme/app:2": "",
		"docker://docker.io/library/nginx": "", // what the first was found as
	} {
		ref, err := image.Parse(name)
		if err == nil {
			err = store.PutRecord(ref.Full(), &image.Record{Digest: "sha256:" + strings.Repeat("a", 64), From: from})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/refs/x.json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := withPrefix(imageNamesIn(dir), "ng"); !slices.Equal(got, []string{"nginx"}) {
		t.Errorf("ng completes to %q", got)
	}
	if got := imageNamesIn(dir); len(got) != 2 {
		t.Errorf("names %q", got)
	}
}
