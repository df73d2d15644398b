package quote_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/quote"
	"github.com/safe-run/safe-run/spec/quote/quotetest"
)

var hostile = []string{
	"", "a", "a b", "'", "''", `"`, `\`, "$HOME", "`id`", "$(id)", "a\nb", "\t", "~", "~root", "*", "?", "[a]", "#x", "a#b", ";", "&", "|", "<", ">",
	"(", "{a,b}", "!", "-x", "--", "=", "é", "\x1b", "\xff", "%", "@", "a=b c", "${IFS}", "\u2028",
}

// TestShellReadsItBack asks the shell itself.
func TestShellReadsItBack(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("NOT CHECKED: quoting for the shell, there is no sh")
	}
	out, err := exec.Command(sh, "-c", `printf '%s\0' `+quote.ShellLine(hostile...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, hostile) {
		t.Errorf("sh reads %q\nwant     %q", got, hostile)
	}
}

func FuzzShell(f *testing.F) {
	for _, seed := range hostile {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			return
		}
		line := quote.ShellLine("docker", a, b, "end")
		if got, err := quotetest.ShellWords(line); err != nil || !slices.Equal(got, []string{"docker", a, b, "end"}) {
			t.Errorf("%q: read as %q, %v", line, got, err)
		}
	})
}
