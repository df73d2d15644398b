package quote_test

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec/quote"
	"github.com/safe-run/safe-run/spec/quote/quotetest"
)

func TestHCL(t *testing.T) {
	for text, want := range map[string]string{
		"": `""`, "a b": `"a b"`, "${x}": `"$${x}"`, "%{if}": `"%%{if}"`, "$x": `"$x"`, "100%": `"100%"`, "$$": `"$$"`,
		"$${x}": `"\u0024$${x}"`, "%${x}": `"\u0025$${x}"`, `"\`: `"\"\\"`, "a\nb\r": `"a\nb\u000d"`, "\x1b": `"\u001b"`, "é": `"é"`,
	} {
		if got := quote.HCL(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := quote.HCLList([]string{"a", "${b}"}); got != `["a", "$${b}"]` {
		t.Error(got)
	}
}

func readBack(t interface{ Errorf(string, ...any) }, text string) {
	if got, err := quotetest.HCLString(quote.HCL(text)); err != nil || got != text {
		t.Errorf("%q is written %s and read as %q, %v", text, quote.HCL(text), got, err)
	}
}

func TestHCLReadsItBack(t *testing.T) {
	texts := rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune(`$%{}"\nuU0~`+"\n\r\t")), rapid.Rune()))
	rapid.Check(t, func(t *rapid.T) { readBack(t, texts.Draw(t, "text")) })
}

func FuzzHCL(f *testing.F) {
	for _, seed := range hostile {
		f.Add(seed)
	}
	f.Add("$$%${a}")
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.ValidString(text) {
			readBack(t, text)
		}
	})
}
