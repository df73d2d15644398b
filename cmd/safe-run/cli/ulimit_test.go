package cli

import (
	"fmt"
	"testing"
)

func TestParseUlimit(t *testing.T) {
	tests := []struct{ text, want string }{
		{"nofile=1024", "nofile=1024:1024"},
		{"nofile=1024:4096", "nofile=1024:4096"},
		{"core=0", "core=0:0"},
		{"nofile", `"nofile" names no limit`},
		{"nofile=", `"" is not a limit`},
		{"nofile=1:", `"" is not a limit`},
		{"nofile=-1", "an unlimited resource cannot be had"},
		{"nofile=5:unlimited", "an unlimited resource cannot be had"},
		{"nofile=-2", `"-2" is not a limit`},
		{"nofile=9223372036854775808", `"9223372036854775808" is not a limit`},
		{"nofile=2:1", "the soft limit 2 of nofile is above the hard limit 1"},
	}
	for _, test := range tests {
		limit, err := parseUlimit(test.text)
		got := fmt.Sprint(err)
		if err == nil {
			got = formatUlimit(limit)
		}
		if got != test.want {
			t.Errorf("--ulimit %q: got %s, want %s", test.text, got, test.want)
		}
	}
}

func FuzzUlimit(f *testing.F) {
	for _, seed := range []string{"nofile=1024", "core=0:0", "cpu=1:2:3", "=", "a=-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		limit, err := parseUlimit(text)
		if err != nil {
			return
		}
		again, err := parseUlimit(formatUlimit(limit))
		if err != nil || again.Name != limit.Name || *again.Soft != *limit.Soft || *again.Hard != *limit.Hard {
			t.Fatalf("%q: printed as %q reads as %+v, %v", text, formatUlimit(limit), again, err)
		}
		if *limit.Soft > *limit.Hard || *limit.Soft < 0 {
			t.Fatalf("%q: %d above %d", text, *limit.Soft, *limit.Hard)
		}
	})
}
