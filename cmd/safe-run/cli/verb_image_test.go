package cli

import (
	"slices"
	"strings"
	"testing"
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
