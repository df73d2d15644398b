package quotetest

import (
	"fmt"
	"strconv"
	"strings"
)

// HCLString reads a string of HCL, written from its specification ("Quoted
// Template Expressions"). What would be worked out is an error, and so is what
// can be read in two ways.
func HCLString(quoted string) (string, error) {
	inner, ok := strings.CutPrefix(quoted, `"`)
	if ok {
		inner, ok = strings.CutSuffix(inner, `"`)
	}
	if !ok {
		return "", fmt.Errorf("%s: no quotes", quoted)
	}
	var b strings.Builder
	for i := 0; i < len(inner); {
		rest := inner[i:]
		switch c := rest[0]; {
		case strings.HasPrefix(rest, "$$$"), strings.HasPrefix(rest, "%%%"):
			if strings.HasPrefix(strings.TrimLeft(rest, "$%"), "{") {
				return "", fmt.Errorf("%s: which two are the pair?", quoted)
			}
			b.WriteByte(c)
			i++
		case strings.HasPrefix(rest, "$${"), strings.HasPrefix(rest, "%%{"):
			b.WriteString(rest[1:3])
			i += 3
		case strings.HasPrefix(rest, "${"), strings.HasPrefix(rest, "%{"):
			return "", fmt.Errorf("%s: something is worked out", quoted)
		case c == '"' || c == '\n' || c == '\r':
			return "", fmt.Errorf("%s: the string ends before its end", quoted)
		case c == '\\':
			text, used, err := unescapeHCL(rest)
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			i += used
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), nil
}

func unescapeHCL(text string) (string, int, error) {
	digits := map[byte]int{'u': 4, 'U': 8}
	simple := map[byte]string{'n': "\n", 'r': "\r", 't': "\t", '"': `"`, '\\': `\`}
	if len(text) < 2 {
		return "", 0, fmt.Errorf("%q ends in a backslash", text)
	}
	if out, ok := simple[text[1]]; ok {
		return out, 2, nil
	}
	n, ok := digits[text[1]]
	if !ok || len(text) < 2+n {
		return "", 0, fmt.Errorf("unknown escape in %q", text)
	}
	r, err := strconv.ParseUint(text[2:2+n], 16, 32)
	if err != nil {
		return "", 0, err
	}
	return string(rune(r)), 2 + n, nil
}
