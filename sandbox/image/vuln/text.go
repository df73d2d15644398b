package vuln

import (
	"slices"
	"strings"
	"unicode"
)

// The longest texts that are kept of a report, in bytes.
const (
	longestName = 256
	longestText = 1024
)

// name makes a word from outside fit to be shown and compared.
func name(s string) string { return text(s, longestName) }

// title makes a sentence from outside fit to be shown on one line.
func title(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return text(line, longestText)
}

func text(s string, longest int) string {
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, strings.ToValidUTF8(strings.TrimSpace(s), "?"))
}

// namesOf cleans a list: what is empty or said twice is left out.
func namesOf(list []string) []string {
	var out []string
	for _, s := range list {
		if s = name(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
		if len(out) == maxNames {
			break
		}
	}
	return out
}

// maxNames bounds the aliases, fixed versions and digests that are kept.
const maxNames = 64
