package cli

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// systemdWords takes a command line apart as systemd does, written from its
// documentation (systemd.service(5), systemd.syntax(7)) and what its source adds:
// extract_first_word with EXTRACT_UNQUOTE and EXTRACT_CUNESCAPE, then
// specifiers, then variables, of which there are none.
func systemdWords(t *testing.T, line string) []string {
	t.Helper()
	if strings.ContainsAny(line, "\n\r\x00") || !strings.Contains(line, " ") && line == "" {
		t.Fatalf("%q is not one line", line)
	}
	var words []string
	var word strings.Builder
	quote, in := byte(0), false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\':
			text, used := unescapeC(t, line[i:])
			word.WriteString(text)
			i, in = i+used-1, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, in = c, true
		case quote == 0 && strings.IndexByte(" \t", c) >= 0:
			if in {
				words = append(words, expand(t, word.String()))
			}
			word.Reset()
			in = false
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if quote != 0 {
		t.Fatalf("%q ends in a quote", line)
	}
	if in {
		words = append(words, expand(t, word.String()))
	}
	return words
}

// unescapeC is systemd's cunescape_one.
func unescapeC(t *testing.T, text string) (string, int) {
	t.Helper()
	if len(text) < 2 {
		t.Fatalf("%q ends in a backslash", text)
	}
	simple := map[byte]string{'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v", '\\': `\`, '"': `"`, '\'': `'`, 's': " "}
	if out, ok := simple[text[1]]; ok {
		return out, 2
	}
	if text[1] != 'x' || len(text) < 4 {
		t.Fatalf("unknown escape in %q", text)
	}
	n, err := strconv.ParseUint(text[2:4], 16, 8)
	if err != nil || n == 0 {
		t.Fatalf("bad escape in %q", text)
	}
	return string([]byte{byte(n)}), 4
}

// expand is what specifiers and variables do to a word.
func expand(t *testing.T, word string) string {
	t.Helper()
	for _, mark := range []string{"%", "$"} {
		rest := strings.ReplaceAll(word, mark+mark, "")
		if strings.Contains(rest, mark) {
			t.Fatalf("%q is expanded at %s", word, mark)
		}
		word = strings.ReplaceAll(word, mark+mark, mark)
	}
	return word
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
		line, err := execLine(want...)
		if err != nil {
			if strings.ContainsRune(a+b, 0) || len(line) == 0 && len(a)+len(b) > mostUnitLine/8 {
				return
			}
			t.Fatal(err)
		}
		// A line that ends in a backslash goes on with the next one.
		if strings.HasSuffix(line, `\`) {
			t.Fatalf("%q is continued", line)
		}
		if got := systemdWords(t, line); !slices.Equal(got, want) {
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
		if got, err := execLine(args...); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", args, got, err, want)
		}
	}
	for _, bad := range []string{"a\x00b", strings.Repeat("a", mostUnitLine)} {
		if got, err := execLine("/bin/x", bad); err == nil {
			t.Errorf("%.20q: %.20q", bad, got)
		}
	}
}

func TestUnitValue(t *testing.T) {
	for text, want := range map[string]string{"/srv/a b": "/srv/a b", "/100%": "/100%%", "/$x": "/$x"} {
		if got, err := unitValue("x", text); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, bad := range []string{"/a\nExecStart=/bin/sh", "/a ", "/a\\", "/\xff", "/\x1b"} {
		if got, err := unitValue("x", bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestCheckUnitName(t *testing.T) {
	for _, good := range []string{"a.service", "network-online.target", "a@b.service", `dev-x\x2dy.device`, "a.b.socket"} {
		if err := checkUnitName("--after", good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "a", ".service", "a b.service", "a\nb.service", "a.service\nExecStart=x", "a.exe", "é.service", "a%n.service", strings.Repeat("a", 250) + ".service"} {
		if checkUnitName("--after", bad) == nil {
			t.Errorf("%q is taken for a unit", bad)
		}
	}
}
