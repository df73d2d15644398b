// Package quote writes words so that what reads them reads the same words: the
// shell, units of systemd, HCL, AppArmor. Each has its own test reader.
package quote

import "strings"

// shellPlain are the characters that no POSIX shell treats specially anywhere in
// a word, beside letters and digits.
const shellPlain = "-_./:,=+@%"

// Shell writes one word for a POSIX shell. It must not hold a zero byte.
func Shell(word string) string {
	plain := word != ""
	for i := 0; plain && i < len(word); i++ {
		plain = isPlain(word[i])
	}
	if plain {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func isPlain(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(shellPlain, c) >= 0
}

// ShellLine writes a command, one space between words.
func ShellLine(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Shell(w)
	}
	return strings.Join(quoted, " ")
}
