package cli

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/safe-run/safe-run/sandbox/ledger"
)

func TestCheckOutput(t *testing.T) {
	for what, c := range map[string]struct {
		writes []string
		want   string
	}{
		"nothing":      {nil, ""},
		"lines":        {[]string{"a\tb\n", "c\r\n"}, "a\tb\nc\n\n"},
		"escapes":      {[]string{"\x1b[2J\x07\u202e\x00"}, "\ufffd[2J\ufffd\ufffd\ufffd"},
		"no text":      {[]string{"a\xff\xfeb\xe2\x82"}, "a\ufffdb\ufffd"},
		"just so much": {[]string{strings.Repeat("x", ledger.MaxCheckOutput)}, strings.Repeat("x", ledger.MaxCheckOutput)},
		"a byte more":  {[]string{strings.Repeat("x", ledger.MaxCheckOutput), "y"}, strings.Repeat("x", ledger.MaxCheckOutput-3) + "..."},
		"wide":         {[]string{strings.Repeat("€", ledger.MaxCheckOutput)}, strings.Repeat("€", (ledger.MaxCheckOutput-3)/3) + "..."},
	} {
		o := &checkOutput{}
		for _, w := range c.writes {
			if n, err := o.Write([]byte(w)); n != len(w) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := o.text(""); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

func FuzzCheckOutput(f *testing.F) {
	f.Add([]byte("ok\n"), false)
	f.Add([]byte("\x1b]0;\x07\xff"), true)
	f.Fuzz(func(t *testing.T, data []byte, more bool) {
		got := plainText(string(data), more)
		if len(got) > ledger.MaxCheckOutput || !utf8.ValidString(got) {
			t.Fatalf("%d bytes, %q", len(got), got)
		}
		for _, r := range got {
			if !unicode.IsGraphic(r) && r != '\n' && r != '\t' {
				t.Fatalf("%q holds %U", got, r)
			}
		}
	})
}
