package cli

import (
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// defaultDetachKeys is docker's.
const defaultDetachKeys = "ctrl-p,ctrl-q"

// parseDetachKeys reads docker's grammar: characters and ctrl-X, separated by
// commas. It gives the bytes that a terminal sends for them; none when empty.
func parseDetachKeys(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	const longest = 16
	var keys []byte
	for _, key := range strings.Split(text, ",") {
		b, ok := keyByte(key)
		if !ok {
			return nil, problem.New("write keys such as ctrl-p,ctrl-q or a", "%.40q is not a key", key)
		}
		keys = append(keys, b)
	}
	if len(keys) > longest {
		return nil, problem.New("two or three are enough", "%d keys are more than the %d that a sequence can have", len(keys), longest)
	}
	return keys, nil
}

func keyByte(key string) (byte, bool) {
	if name, ok := strings.CutPrefix(strings.ToLower(key), "ctrl-"); ok {
		if len(name) != 1 {
			return 0, false
		}
		// A terminal clears the upper bits of the character: ascii(7).
		switch c := name[0]; {
		case c >= 'a' && c <= 'z', c == '@', c >= '[' && c <= '_':
			return c & 0x1f, true
		}
		return 0, false
	}
	if len(key) != 1 || key[0] < ' ' || key[0] > '~' {
		return 0, false
	}
	return key[0], true
}
