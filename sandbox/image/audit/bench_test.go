package audit

import (
	"strings"
	"testing"
)

// BenchmarkSecrets is how fast text is searched that has none.
func BenchmarkSecrets(b *testing.B) {
	text := []byte(strings.Repeat("through the night the eight might fight, and get npm and right\n", 15_000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if found := secretsOf("usr/share/poem", text); len(found) > 0 {
			b.Fatal(found)
		}
	}
}
