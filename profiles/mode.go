package profiles

import (
	"fmt"
	"strconv"
)

// Mode is a file mode in octal: 01777.
type Mode uint32

// sticky keeps users from removing each other's files in a shared directory.
const sticky Mode = 0o1000

// ParseMode reads a file mode. It is octal however it is written: 755, 0755 and
// 0o755 are the same.
func ParseMode(text string) (Mode, error) {
	digits := text
	if len(text) > 2 && text[:2] == "0o" {
		digits = text[2:]
	}
	n, err := strconv.ParseUint(digits, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, badScalar("file mode", text, "write octal digits from 0 to 07777: 0755, 01777")
	}
	return Mode(n), nil
}

// String writes a mode in octal with a leading zero.
func (m Mode) String() string { return fmt.Sprintf("%#04o", uint32(m)) }

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMode(string(text))
	return err
}
