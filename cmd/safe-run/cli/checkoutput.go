package cli

import (
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/safe-run/safe-run/sandbox/ledger"
)

// checkOutput keeps the beginning of what a check writes.
type checkOutput struct {
	mu   sync.Mutex
	kept []byte
	over bool // there was more
}

// Write implements io.Writer; it never fails. One that writes without an end is
// read slowly: reading is work of the host, which no limit of the container
// counts.
func (o *checkOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room := ledger.MaxCheckOutput - len(o.kept)
	o.kept = append(o.kept, p[:min(room, len(p))]...)
	if len(p) > room {
		o.over = true
		time.Sleep(time.Millisecond)
	}
	return len(p), nil
}

// text is what was written, after the words that begin it, as text that does
// nothing to a terminal.
func (o *checkOutput) text(begin string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return plainText(begin+string(o.kept), o.over)
}

// plainText makes text of anything, and marks that there is more.
func plainText(text string, more bool) string {
	const mark = "..."
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r == '\n' || r == '\t' || unicode.IsGraphic(r):
			return r
		}
		return unicode.ReplacementChar
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
	if len(text) <= ledger.MaxCheckOutput && !more {
		return text
	}
	end := min(len(text), ledger.MaxCheckOutput-len(mark))
	for end > 0 && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
