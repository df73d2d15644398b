package source

import (
	"net/http"
	"strings"
)

// challenge is what a server wants to see (RFC 9110, section 11.6.1).
type challenge struct {
	scheme string            // in lower case
	params map[string]string // by name in lower case; the first of each
}

// maxChallenges bounds how many challenges and parameters are looked at.
const maxChallenges = 32

// challenges reads the WWW-Authenticate headers. What is malformed ends the
// header it is in.
func challenges(h http.Header) []challenge {
	var all []challenge
	for _, value := range h.Values("WWW-Authenticate") {
		all = append(all, parseChallenges(value)...)
		if len(all) > maxChallenges {
			return all[:maxChallenges]
		}
	}
	return all
}

func parseChallenges(s string) []challenge {
	var all []challenge
	for len(all) < maxChallenges {
		s = strings.TrimLeft(s, " \t,")
		scheme, rest := token(s)
		if scheme == "" {
			break
		}
		c := challenge{scheme: strings.ToLower(scheme), params: map[string]string{}}
		s = c.readParams(rest)
		all = append(all, c)
	}
	return all
}

// readParams reads name=value pairs until something else comes, and gives what
// is left.
func (c *challenge) readParams(s string) string {
	for range maxChallenges {
		s = strings.TrimLeft(s, " \t,")
		name, rest := token(s)
		rest = strings.TrimLeft(rest, " \t")
		if name == "" || !strings.HasPrefix(rest, "=") {
			return s // the next challenge, or the end
		}
		value, left, ok := parameter(strings.TrimLeft(rest[1:], " \t"))
		if !ok {
			return ""
		}
		if name = strings.ToLower(name); c.params[name] == "" {
			c.params[name] = value
		}
		s = left
	}
	return ""
}

// parameter reads a token or a quoted string.
func parameter(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = token(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// token reads what RFC 9110 calls a token.
func token(s string) (word, rest string) {
	end := strings.IndexFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}
