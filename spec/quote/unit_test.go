package quote

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/quote/quotetest"
)

func words(t *testing.T, line string) []string {
	t.Helper()
	out, err := quotetest.UnitWords(line)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzExecLine(f *testing.F) {
	for _, seed := range []string{
		"", "a", ";", "a b", `"`, `'`, `\`, `\\`, "$HOME", "${HOME}", "$$", "%n", "%%", "100%", "a\nb", "a\r\nb", "\t", "\x1b[0m", "\x7f",
		"\xff\xfe", "é", "\u2028", "\ufffd", "\ufeff", "-c", "@x", "#", "a;b", "a\\", `\x41`, `\n`, "=", "'\"'", "a\"b'c\\d$e%f g", "\x00",
	} {
		f.Add(seed, "x")
		f.Add("--env=A="+seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		want := []string{"/usr/bin/safe-run", a, b, "end"}
		line, err := ExecLine(want...)
		if err != nil {
			if strings.ContainsRune(a+b, 0) || len(line) == 0 && len(a)+len(b) > MostUnitLine/8 {
				return
			}
			t.Fatal(err)
		}
		// A line that ends in a backslash goes on with the next one.
		if strings.HasSuffix(line, `\`) {
			t.Fatalf("%q is continued", line)
		}
		if got := words(t, line); !slices.Equal(got, want) {
			t.Errorf("%q: systemd reads %q, want %q", line, got, want)
		}
	})
}

func TestExecLine(t *testing.T) {
	for want, args := range map[string][]string{
		`/bin/x run --name=a`:         {"/bin/x", "run", "--name=a"},
		`/bin/x "" ";" "a b"`:         {"/bin/x", "", ";", "a b"},
		`/bin/x "100%%" "$$HOME"`:     {"/bin/x", "100%", "$HOME"},
		`/bin/x "a\nb" "\xff" "\"\\"`: {"/bin/x", "a\nb", "\xff", `"\`},
		`/bin/x "é"`:                  {"/bin/x", "é"},
	} {
		if got, err := ExecLine(args...); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", args, got, err, want)
		}
	}
	for _, bad := range []string{"a\x00b", strings.Repeat("a", MostUnitLine)} {
		if got, err := ExecLine("/bin/x", bad); err == nil {
			t.Errorf("%.20q: %.20q", bad, got)
		}
	}
}

func TestUnitValue(t *testing.T) {
	for text, want := range map[string]string{"/srv/a b": "/srv/a b", "/100%": "/100%%", "/$x": "/$x"} {
		if got, err := UnitValue("x", text); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, bad := range []string{"/a\nExecStart=/bin/sh", "/a ", "/a\\", "/\xff", "/\x1b"} {
		if got, err := UnitValue("x", bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestCheckUnitName(t *testing.T) {
	for _, good := range []string{"a.service", "network-online.target", "a@b.service", `dev-x\x2dy.device`, "a.b.socket"} {
		if err := CheckUnitName("--after", good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "a", ".service", "a b.service", "a\nb.service", "a.service\nExecStart=x", "a.exe", "é.service", "a%n.service", strings.Repeat("a", 250) + ".service"} {
		if CheckUnitName("--after", bad) == nil {
			t.Errorf("%q is taken for a unit", bad)
		}
	}
}
