package quotetest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// AppArmorGlob reads a quoted name of a file as apparmor_parser does, and gives
// what it matches. It is written from apparmor.d(5) and the order in which the
// parser works: the lexer takes the longest text in quotes, then escapes are
// resolved, but for those of signs of globs, then the glob is read.
func AppArmorGlob(quoted string) (*regexp.Regexp, error) {
	inner, ok := strings.CutPrefix(quoted, `"`)
	if ok {
		inner, ok = strings.CutSuffix(inner, `"`)
	}
	if !ok || strings.Contains(inner, `"`) || strings.HasSuffix(inner, `\`) {
		return nil, fmt.Errorf("%s: the parser would look further for the end", quoted)
	}
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' || i+1 == len(inner) || inner[i+1] < '0' || inner[i+1] > '7' {
			b.WriteByte(inner[i])
			continue
		}
		if i+3 >= len(inner) {
			return nil, fmt.Errorf("%s: a short escape", quoted)
		}
		n, err := strconv.ParseUint(inner[i+1:i+4], 8, 8)
		if err != nil {
			return nil, err
		}
		if strings.IndexByte(`*?[]{}^,\`, byte(n)) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(byte(n))
		i += 3
	}
	return glob(b.String())
}

// glob is the second half: globs, with \ in front of what is none.
func glob(text string) (*regexp.Regexp, error) {
	var b strings.Builder
	depth, class := 0, false
	for i := 0; i < len(text); i++ {
		rest := text[i+1:]
		switch c := text[i]; {
		case c == '\\' && rest == "":
			return nil, fmt.Errorf("%q ends in a backslash", text)
		case c == '\\':
			i++
			b.WriteString(regexp.QuoteMeta(text[i : i+1]))
		case class:
			class = c != ']'
			b.WriteByte(c)
		case c == '[':
			class = true
			b.WriteByte(c)
		case c == '*':
			stars := len(rest) - len(strings.TrimLeft(rest, "*"))
			i += min(stars, 1)
			if after := rest[stars:]; strings.HasSuffix(text[:i-min(stars, 1)], "/") && (after == "" || after[0] == '/') {
				b.WriteString("[^/]") // a name has a letter at least
			}
			b.WriteString([]string{"[^/]*", "(?s:.*)"}[min(stars, 1)])
		case c == '?':
			b.WriteString("[^/]")
		case c == '{':
			depth++
			b.WriteString("(?:")
		case c == ',' && depth > 0:
			b.WriteByte('|')
		case c == '}':
			depth--
			b.WriteByte(')')
		case c >= 0x80:
			b.WriteByte(c)
		default:
			b.WriteString(regexp.QuoteMeta(text[i : i+1]))
		}
		if depth < 0 {
			return nil, fmt.Errorf("%q closes what is not open", text)
		}
	}
	return regexp.Compile("^" + b.String() + "$")
}
