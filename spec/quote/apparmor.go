package quote

import (
	"fmt"
	"strings"
)

// AppArmor writes a path, with a glob behind it that is taken as it is, as rules
// of AppArmor name files (apparmor.d(5), "Globbing"); of the path nothing is a
// glob. No quote and no backslash of the path stays: the parser takes a backslash
// and the quote behind it together and reads on to the last quote that it can
// reach, so that a path which ends in a backslash would swallow the next rules.
func AppArmor(path, glob string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '"' || c == '\\' || c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		case strings.IndexByte("*?[]{}^,", c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + glob + `"`
}
