package quote

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/safe-run/safe-run/spec/problem"
)

// MostUnitLine is the longest line that systemd reads (LONG_LINE_MAX).
const MostUnitLine = 1 << 20

// ExecLine writes a command for ExecStart= and the like. systemd takes it apart
// (systemd.service(5), "Command lines"): first words, quotes and C escapes,
// then specifiers, which begin with %, and last variables, which begin with $.
func ExecLine(args ...string) (string, error) {
	var words []string
	for _, arg := range args {
		if strings.ContainsRune(arg, 0) {
			return "", problem.New("remove it; a container is made anew without it", "an argument holds a zero byte")
		}
		words = append(words, UnitWord(arg))
	}
	line := strings.Join(words, " ")
	if len(line) >= MostUnitLine-len("ExecStartPre=-") {
		return "", problem.New("put what is long into a file: --env-file, --label-file", "the command line is longer than the %d bytes that systemd reads", MostUnitLine)
	}
	return line, nil
}

// UnitWord writes one word. What need not be quoted is left as it is, for
// those who read the unit.
func UnitWord(word string) string {
	plain := word != "" && word != ";" && !strings.ContainsFunc(word, func(r rune) bool {
		return r > unicode.MaxASCII || !strings.ContainsRune("-_./:,=+@", r) && !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
	if plain {
		return word
	}
	var b strings.Builder
	b.WriteByte('"')
	for len(word) > 0 {
		r, size := utf8.DecodeRuneInString(word)
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '%' || r == '$':
			b.WriteString(string(r) + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == utf8.RuneError && size == 1, r < unicode.MaxASCII && !unicode.IsPrint(r), r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, word[0])
		default:
			b.WriteString(word[:size])
		}
		word = word[size:]
	}
	b.WriteByte('"')
	return b.String()
}

// UnitValue writes a setting that is not a command: systemd knows no quotes
// there, only specifiers.
func UnitValue(setting, text string) (string, error) {
	odd := strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
	if odd || strings.TrimSpace(text) != text || strings.HasSuffix(text, `\`) {
		return "", problem.New("choose a name without such characters", "%s %q cannot be written into a unit", setting, text)
	}
	return strings.ReplaceAll(text, "%", "%%"), nil
}

// CheckUnitName checks the name of a unit that the generated one is to follow.
func CheckUnitName(flag, name string) error {
	stem, kind, ok := strings.Cut(name, ".")
	if at := strings.LastIndexByte(name, '.'); ok {
		stem, kind = name[:at], name[at+1:]
	}
	odd := strings.ContainsFunc(stem, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(`:-_.\@`, r)
	})
	switch kind {
	case "service", "socket", "target", "mount", "automount", "device", "path", "timer", "swap", "slice", "scope":
	default:
		ok = false
	}
	if !ok || odd || stem == "" || len(name) > 255 {
		return problem.New("write a name such as network-online.target", "%s: %.80q is not the name of a unit", flag, name)
	}
	return nil
}

// UnitSetting writes one word of a setting that systemd takes apart into words,
// such as Environment=: as a command's, but with $ as it is, because only
// commands have variables.
func UnitSetting(word string) string { return strings.ReplaceAll(UnitWord(word), "$$", "$") }

// UnitLine writes text that is for people alone into one line.
func UnitLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) && r != '\\' {
			return r
		}
		return '?'
	}, text)
	return strings.ReplaceAll(text, "%", "%%")
}
