package profiles

import "time"

// Duration is a time span: 10s, 1m30s.
type Duration time.Duration

// ParseDuration reads a time span in Go's syntax; never negative.
func ParseDuration(text string) (Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, badScalar("time span", text, "write a number with a unit: 10s, 1m30s, 500ms")
	}
	return Duration(d), nil
}

// String writes a time span in Go's syntax.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}
