package trust

import (
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// longest bounds what a message shows of something from outside, in runes.
const longest = 200

// plain makes text from outside fit for one line: printable, and not long.
func plain(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest]) + "..."
	}
	return s
}

// readFile reads a small file that a policy names. what says what it is for.
func readFile(path, what string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, problem.New("put "+what+" there, or change its path in the profile", "%s cannot be read: %w", what, err)
	}
	if !info.Mode().IsRegular() {
		return nil, problem.New("name a file", "%s %s is not a regular file", what, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, problem.New("make it readable for this user", "%s cannot be read: %w", what, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, bounds.Metadata+1))
	if err != nil {
		return nil, problem.New("", "%s cannot be read: %w", what, err)
	}
	if len(data) > bounds.Metadata {
		return nil, problem.New("check that the profile names the right file", "%s %s has more than %s", what, path, bounds.Size(bounds.Metadata))
	}
	return data, nil
}
