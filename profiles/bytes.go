package profiles

import (
	"math/big"
	"strconv"
	"strings"
)

// Bytes is a size: 64MiB, 1GB, 4096.
type Bytes int64

const bytesHint = "write a number with a unit: 64MiB, 1GiB, 512k, 4096 (k, m and g count in 1024s, as docker's do)"

// bytesUnits are the powers of 1024 by their letter, as docker and the kernel's
// tmpfs count them; the first stands for no unit.
const bytesUnits = " kmgtp"

// ParseBytes reads a size. Units are k, m, g, t and p, in either case, alone or
// followed by b or ib; all count in 1024s. Fractions are rounded down to whole
// bytes. Negative sizes and those that do not fit 63 bits are errors.
func ParseBytes(text string) (Bytes, error) {
	number, unit := splitUnit(text)
	power := unitPower(strings.ToLower(unit))
	value, ok := decimal(number)
	if power < 0 || !ok {
		return 0, badScalar("size", text, bytesHint)
	}
	value.Mul(value, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(10*power))))
	whole := new(big.Int).Quo(value.Num(), value.Denom())
	if !whole.IsInt64() {
		return 0, badScalar("size that fits 63 bits", text, bytesHint)
	}
	return Bytes(whole.Int64()), nil
}

// String writes a size in the largest unit that divides it.
func (b Bytes) String() string {
	n, power := int64(b), 0
	for n != 0 && n%1024 == 0 && power < len(bytesUnits)-1 {
		n, power = n/1024, power+1
	}
	text := strconv.FormatInt(n, 10)
	if power > 0 {
		text += strings.ToUpper(bytesUnits[power:power+1]) + "iB"
	}
	return text
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBytes(string(text))
	return err
}

// unitPower reads "", "b", "m", "mb" and "mib" as a power of 1024; -1 when it is
// no unit.
func unitPower(unit string) int {
	if unit == "" || unit == "b" {
		return 0
	}
	if len(unit) > 1 && unit[1:] != "b" && unit[1:] != "ib" {
		return -1
	}
	return strings.IndexByte(bytesUnits, unit[0])
}

// splitUnit parts the leading digits and point of text from what follows.
func splitUnit(text string) (number, unit string) {
	i := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if i < 0 {
		return text, ""
	}
	return text[:i], text[i:]
}

// decimal reads digits with at most one point, exactly. It is bounded to 32
// characters, which is more than any value here can use.
func decimal(text string) (*big.Rat, bool) {
	whole, part, point := strings.Cut(text, ".")
	if len(text) > 32 || !digits(whole) || (point && !digits(part)) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}
