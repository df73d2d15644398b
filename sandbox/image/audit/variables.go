package audit

import (
	"regexp"
	"slices"
	"strings"
)

// maxScannedLine bounds a line of the history and of an environment file that
// is searched, in bytes.
const maxScannedLine = 32 << 10

// secretEnds are the last words of names of variables that hold secrets. Only
// the end counts: PASSWORD_FILE, TOKEN_URL and SECRET_NAME hold none.
var secretEnds = []string{
	"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "SECRETS", "TOKEN", "APIKEY", "CREDENTIAL", "CREDENTIALS",
}

// secretKeys are the words before KEY that make it a secret: not GPG_KEY, which
// is a fingerprint in common images, and not PUBLIC_KEY.
var secretKeys = []string{"API", "ACCESS", "SECRET", "PRIVATE", "AUTH", "ENCRYPTION", "SIGNING", "MASTER", "ACCOUNT", "DEPLOY", "LICENSE"}

// secretName says whether a variable of this name holds a secret.
func secretName(name string) bool {
	words := strings.FieldsFunc(strings.ToUpper(name), func(c rune) bool { return c == '_' || c == '-' || c == '.' })
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	switch {
	case last == "PWD" || last == "PASS":
		return len(words) > 1
	case slices.Contains(secretEnds, last):
		// MAX_TOKEN and EOS_TOKEN are of language models.
		return len(words) == 1 || !slices.Contains([]string{"MAX", "MIN", "NO", "PAD", "EOS", "BOS"}, words[len(words)-2])
	case last == "KEY" && len(words) > 1:
		return slices.Contains(secretKeys, words[len(words)-2])
	}
	return strings.HasSuffix(last, "PASSWORD") || strings.HasSuffix(last, "APIKEY")
}

// secretVariable says whether a variable holds a secret itself.
func secretVariable(name, value string) bool {
	return secretName(name) && !placeholder(value)
}

// indirect are paths and references to where a secret is, and what is masked
// already.
var indirect = regexp.MustCompile(`^(?:/[\w./-]+|file:.*|[$\x60].*|%\w+%|\{\{.*|<.*>|\*{3}.*|[0-9]{1,4}|[a-z]+://[^:@/]*(?:/.*)?)$`)

var noSecrets = []string{
	"", "true", "false", "yes", "no", "on", "off", "none", "null", "nil", "default", "required", "optional", "enabled", "disabled",
	"redacted", "removed", "placeholder", "example", "your-token", "your_token", "xxx",
}

// placeholder says whether a value stands for a secret and is none.
func placeholder(value string) bool {
	value = strings.Trim(strings.TrimSpace(value), `"'`)
	return slices.Contains(noSecrets, strings.ToLower(value)) || indirect.MatchString(value) || strings.Trim(value, "xX*.-") == ""
}

const masked = "***"

// word is a word of a shell, of quoted and plain parts. A quote that does not
// end takes the rest.
const word = `(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|'[^']*(?:'|$)|[^\s;&|"'])`

// assignment is NAME=value as shells, ENV and ARG have it.
var assignment = regexp.MustCompile(`(?s)([A-Za-z_][A-Za-z0-9_.-]{0,127})=(` + word + `+)`)

// envSpace is ENV with a space, as the legacy form has it.
var envSpace = regexp.MustCompile(`(?i)\bENV\s+([A-Za-z_][A-Za-z0-9_]{0,127})\s+([^\s=]\S*)`)

// option is --password value.
var option = regexp.MustCompile(`(?s)(--?(?:password|passwd|token|api-?key|auth-token))[ =](` + word + `+)`)

// header is what curl and wget send with a request.
var header = regexp.MustCompile(`(?i)\b(authorization:\s*(?:bearer|basic|token)|x-api-key:|private-token:)\s*([^\s"'$]{8,})`)

// userinfo is a password in a URL.
var userinfo = regexp.MustCompile(`([a-z][a-z0-9+.-]{1,20}://[^\s:/@"']{0,64}:)([^\s:/@"']{1,256})@`)

// leak is a secret in a line of the history: what kind, and where its value is.
type leak struct {
	kind       string
	name       string // of the variable
	start, end int
}

// leaksOf finds secrets in a line of the history.
func leaksOf(line string) []leak {
	var found []leak
	add := func(kind string, pattern *regexp.Regexp, isSecret func(name, value string) bool) {
		for _, m := range pattern.FindAllStringSubmatchIndex(line, -1) {
			name, value := line[m[2]:m[3]], strings.Trim(line[m[4]:m[5]], `"'`)
			if isSecret(name, value) {
				found = append(found, leak{kind, name, m[4], m[5]})
			}
		}
	}
	literal := func(_, value string) bool { return !placeholder(value) }
	found = assigned(line, 0, maxInside)
	add("variable", envSpace, secretVariable)
	add("option", option, literal)
	add("header", header, literal)
	add("password in a URL", userinfo, literal)
	for _, s := range shapesIn([]byte(line)) {
		for _, m := range s.pattern.FindAllStringIndex(line, maxMatches) {
			known := slices.ContainsFunc(found, func(l leak) bool { return l.start < m[1] && m[0] < l.end })
			if !known && real([]byte(line[m[0]:m[1]])) {
				found = append(found, leak{kind: s.kind, start: m[0] + s.start, end: m[1]})
			}
		}
	}
	return found
}

// maxInside bounds how deep assignments are looked for inside the values of
// others, as in --build-arg=TOKEN=value.
const maxInside = 4

// assigned finds the secrets that are assigned in text, which is at offset of
// its line.
func assigned(text string, offset, deep int) []leak {
	var found []leak
	for _, m := range assignment.FindAllStringSubmatchIndex(text, -1) {
		name, value := text[m[2]:m[3]], text[m[4]:m[5]]
		switch {
		case secretVariable(name, strings.Trim(value, `"'`)):
			found = append(found, leak{"variable", name, offset + m[4], offset + m[5]})
		case deep > 0 && strings.Contains(value, "="):
			found = append(found, assigned(value, offset+m[4], deep-1)...)
		}
	}
	return found
}

// mask takes from any text what has the shape of a secret.
func mask(text string) string {
	for _, s := range shapesIn([]byte(text)) {
		text = s.pattern.ReplaceAllStringFunc(text, func(match string) string { return match[:s.start] + masked })
	}
	return userinfo.ReplaceAllString(text, "${1}"+masked+"@")
}

// maskLine takes the secrets from a line of the history. What is left is looked
// at again: where a secret was, the rest may now read as another.
func maskLine(line string) string {
	const rounds = 4
	for range rounds {
		before, leaks := line, leaksOf(line)
		if line = maskLeaks(line, leaks); line == before {
			return line
		}
	}
	if len(leaksOf(line)) == 0 {
		return line
	}
	return masked
}

func maskLeaks(line string, leaks []leak) string {
	slices.SortFunc(leaks, func(a, b leak) int { return a.start - b.start })
	var out strings.Builder
	at := 0
	for _, l := range leaks {
		if l.start > at {
			out.WriteString(line[at:l.start])
		}
		if l.end > at {
			if l.start >= at {
				out.WriteString(masked)
			}
			at = l.end
		}
	}
	out.WriteString(line[at:])
	return mask(out.String())
}
