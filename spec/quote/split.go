package quote

import (
	"encoding/json"
	"errors"
	"strings"
)

// Split takes a line apart into words as a POSIX shell does, with quotes and
// backslashes, and expands nothing: what is special to a shell beside them is
// taken as it is.
func Split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, mark := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case mark == '\'' && c != '\'':
			word.WriteByte(c)
		case mark != 0 && c == mark:
			mark = 0
		case c == '\\' && mark != '\'':
			if i++; i == len(line) {
				return nil, errors.New("the line ends in a backslash")
			}
			if mark == '"' && strings.IndexByte("\"\\$`", line[i]) < 0 {
				word.WriteByte('\\')
			}
			word.WriteByte(line[i])
			in = true
		case mark != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			mark, in = c, true
		case strings.IndexByte(" \t\r\n", c) >= 0:
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if mark != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

// JSONWords writes words as a list in JSON.
func JSONWords(words []string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(words) // text can be written
	return strings.TrimSuffix(b.String(), "\n")
}
