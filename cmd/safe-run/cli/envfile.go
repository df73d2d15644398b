package cli

import (
	"bufio"
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/safe-run/safe-run/spec/problem"
)

// maxEnvFile bounds an --env-file and a --label-file.
const maxEnvFile = 1 << 20

// parseEnvFile reads docker's env file: one NAME=value a line, taken as it is,
// without quoting; empty lines and lines that begin with # say nothing. A lone
// NAME is looked up. No message repeats a value: it may be a secret.
func parseEnvFile(name string, data []byte, lookup func(string) (string, bool)) ([]string, error) {
	var env []string
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	lines.Buffer(nil, maxEnvFile+1)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimRight(strings.TrimLeftFunc(lines.Text(), unicode.IsSpace), "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		entry, given, err := parseEnv(line, lookup)
		if err != nil {
			return nil, problem.New(problem.HintOf(err), "%s:%d: %w", name, number, err)
		}
		if given {
			env = append(env, entry)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, problem.New("shorten its lines", "read %s: %w", name, err)
	}
	return env, nil
}

// parseEnv reads NAME=value, or NAME alone, which is looked up: given is false
// when it is not set there, and then nothing is passed on, as in docker.
func parseEnv(text string, lookup func(string) (string, bool)) (entry string, given bool, err error) {
	name, value, assigned := strings.Cut(text, "=")
	if err := checkEnvName(name); err != nil {
		return "", false, err
	}
	if !assigned {
		if value, assigned = lookup(name); !assigned {
			return "", false, nil
		}
	}
	if strings.ContainsRune(value, 0) || !utf8.ValidString(value) {
		return "", false, problem.New("encode it as base64, or mount it as a file with -v", "the value of %s is not text in UTF-8", name)
	}
	return name + "=" + value, true, nil
}

// checkEnvName refuses what nobody sees: spaces, control characters, and the
// byte order mark that an editor leaves behind.
func checkEnvName(name string) error {
	bad := func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }
	if name == "" || strings.ContainsFunc(name, bad) || !utf8.ValidString(name) {
		return problem.New("write NAME=value", "%.40q is not the name of a variable", name)
	}
	return nil
}

// parseLabel reads KEY=value; KEY alone is an empty label, as in docker.
func parseLabel(text string) (key, value string, err error) {
	key, value, _ = strings.Cut(text, "=")
	if strings.TrimSpace(key) == "" || strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return "", "", problem.New("write KEY=value", "%.40q is not a label", text)
	}
	return key, value, nil
}
