package quote_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec/quote"
	"github.com/safe-run/safe-run/spec/quote/quotetest"
)

func TestAppArmor(t *testing.T) {
	for path, want := range map[string]string{
		"/tmp": `"/tmp"`, "/a b": `"/a b"`, "/a*": `"/a\*"`, "/[x]{a,b}?^": `"/\[x\]\{a\,b\}\?\^"`, `/a\`: `"/a\134"`,
		`/a" w, /** rw, "`: `"/a\042 w\, /\*\* rw\, \042"`, "/@{HOME}": `"/@\{HOME\}"`, "/a\nb": `"/a\012b"`, "/é": `"/é"`,
	} {
		if got := quote.AppArmor(path, ""); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
	if got := quote.AppArmor("/a*", "{,/**}"); got != `"/a\*{,/**}"` {
		t.Error(got)
	}
}

// matchesItself: what is read back is the path and no other.
func matchesItself(t interface{ Errorf(string, ...any) }, path string, others ...string) {
	re, err := quotetest.AppArmorGlob(quote.AppArmor(path, ""))
	if err != nil {
		t.Errorf("%q: %v", path, err)
		return
	}
	if !re.MatchString(path) {
		t.Errorf("%q is not matched by %s", path, re)
	}
	for _, other := range others {
		if other != path && re.MatchString(other) {
			t.Errorf("%q is matched by %q, as %s", other, path, re)
		}
	}
}

func TestAppArmorMatchesItself(t *testing.T) {
	paths := rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune(`*?[]{}^,\"/@$.+|()!#ab `+"\n\t01")), rapid.Rune()))
	rapid.Check(t, func(t *rapid.T) {
		path, other := "/"+paths.Draw(t, "path"), "/"+paths.Draw(t, "other")
		matchesItself(t, path, other, path+"x", path+"/x", strings.ReplaceAll(path, "*", "x"), strings.ReplaceAll(path, "?", "x"), strings.ReplaceAll(path, "[", ""))
	})
}

func FuzzAppArmor(f *testing.F) {
	for _, seed := range hostile {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, path, other string) {
		if utf8.ValidString(path) && utf8.ValidString(other) && !strings.ContainsRune(path+other, 0) {
			matchesItself(t, "/"+path, "/"+other)
		}
	})
}
