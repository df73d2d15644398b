package volume

import (
	"crypto/rand"
	"encoding/hex"
)

// NewName makes up a name, as docker does: 64 hexadecimal digits.
func NewName() string { return random(32) }

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (Go 1.24)
	return hex.EncodeToString(b)
}
