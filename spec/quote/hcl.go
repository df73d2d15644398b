package quote

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// HCL writes text, which must be UTF-8, as a string of HCL's native syntax.
// There ${ and %{ begin what is worked out, and stand for themselves when the
// sign is doubled. Of several signs in front of a brace all but the last are
// written by their number, because readers differ in which two are the pair.
func HCL(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		sign := r == '$' || r == '%'
		switch {
		case sign && strings.HasPrefix(text, "{"):
			b.WriteString(string(r) + string(r))
		case sign && strings.HasPrefix(strings.TrimLeft(text, "$%"), "{"):
			fmt.Fprintf(&b, `\u%04x`, r)
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case !unicode.IsGraphic(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case !unicode.IsGraphic(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// HCLList writes a list of texts.
func HCLList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = HCL(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
