// Package quotetest reads back what quote writes, as those do that it is written
// for. It is for tests.
package quotetest

import (
	"fmt"
	"strconv"
	"strings"
)

// UnitWords takes a command line apart as systemd does, written from its
// documentation (systemd.service(5), systemd.syntax(7)) and what its source adds:
// extract_first_word with EXTRACT_UNQUOTE and EXTRACT_CUNESCAPE, then
// specifiers, then variables, of which there are none.
func UnitWords(line string) ([]string, error) {
	if strings.ContainsAny(line, "\n\r\x00") {
		return nil, fmt.Errorf("%q is not one line", line)
	}
	var words []string
	var word strings.Builder
	quote, in := byte(0), false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\':
			text, used, err := unescapeC(line[i:])
			if err != nil {
				return nil, err
			}
			word.WriteString(text)
			i, in = i+used-1, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, in = c, true
		case quote == 0 && strings.IndexByte(" \t", c) >= 0:
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%q ends in a quote", line)
	}
	if in {
		words = append(words, word.String())
	}
	for i := range words {
		for _, mark := range []string{"%", "$"} {
			var err error
			if words[i], err = expand(words[i], mark); err != nil {
				return nil, err
			}
		}
	}
	return words, nil
}

// unescapeC is systemd's cunescape_one.
func unescapeC(text string) (string, int, error) {
	if len(text) < 2 {
		return "", 0, fmt.Errorf("%q ends in a backslash", text)
	}
	simple := map[byte]string{'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v", '\\': `\`, '"': `"`, '\'': `'`, 's': " "}
	if out, ok := simple[text[1]]; ok {
		return out, 2, nil
	}
	if text[1] != 'x' || len(text) < 4 {
		return "", 0, fmt.Errorf("unknown escape in %q", text)
	}
	n, err := strconv.ParseUint(text[2:4], 16, 8)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("bad escape in %q", text)
	}
	return string([]byte{byte(n)}), 4, nil
}

// expand is what specifiers and variables do to a word.
func expand(word, mark string) (string, error) {
	rest := strings.ReplaceAll(word, mark+mark, "")
	if strings.Contains(rest, mark) {
		return "", fmt.Errorf("%q is expanded at %s", word, mark)
	}
	return strings.ReplaceAll(word, mark+mark, mark), nil
}

// ShellWords takes a line apart as a POSIX shell does, where it holds nothing but
// plain characters, single quotes and \'.
func ShellWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	quoted, in := false, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\'':
			quoted, in = !quoted, true
		case quoted:
			word.WriteByte(c)
		case c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			in = true
		case c == ' ':
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		case strings.IndexByte("\t\n|&;<>()$`\"*?[#~{}!", c) >= 0:
			return nil, fmt.Errorf("%q has %q outside of quotes", line, c)
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("%q ends in a quote", line)
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}
