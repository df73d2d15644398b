package ledger

import (
	"bytes"
	"sync"
	"time"
	"unicode/utf8"
)

// Stream gives the writer of one stream. It takes whole lines out of what is
// written; Flush ends a last one that has no end.
func (l *Log) Stream(name string) *Stream { return &Stream{log: l, name: name} }

// Stream is one stream of a log.
type Stream struct {
	log  *Log
	name string

	mu   sync.Mutex
	part []byte
	buf  []byte
}

// Write implements io.Writer; it never fails.
func (s *Stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, now := len(p), time.Now()
	s.buf = s.buf[:0]
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			end = len(p)
		}
		end = min(end, maxLogLine-len(s.part))
		s.part = append(s.part, p[:end]...)
		p = p[end:]
		if len(s.part) == maxLogLine || s.part[len(s.part)-1] == '\n' {
			s.take(now)
		}
	}
	if len(s.buf) > 0 {
		s.log.append(s.buf)
	}
	return n, nil
}

// take makes an entry of the line that was collected. A character that is cut
// in two by the length stays whole.
func (s *Stream) take(now time.Time) {
	whole := len(s.part)
	if s.part[whole-1] != '\n' {
		for cut := 1; cut < utf8.UTFMax && cut < whole; cut++ {
			if tail := s.part[whole-cut:]; utf8.RuneStart(tail[0]) {
				if !utf8.FullRune(tail) {
					whole -= cut
				}
				break
			}
		}
	}
	s.buf = appendEntry(s.buf, s.part[:whole], s.name, now)
	s.part = append(s.part[:0], s.part[whole:]...)
}

// Flush writes a last line that has no end.
func (s *Stream) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.part) > 0 {
		s.log.append(appendEntry(nil, s.part, s.name, time.Now()))
		s.part = nil
	}
	s.buf = nil
}

// appendEntry appends one line of docker's json-file.
func appendEntry(b, line []byte, stream string, at time.Time) []byte {
	b = append(b, `{"log":"`...)
	b = appendText(b, line)
	b = append(b, `","stream":"`...)
	b = append(b, stream...)
	b = append(b, `","time":"`...)
	b = at.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, "\"}\n"...)
}

// appendText appends text as it stands between the quotes of JSON; what is not
// UTF-8 becomes U+FFFD.
func appendText(b, text []byte) []byte {
	const digits = "0123456789abcdef"
	for len(text) > 0 {
		c := text[0]
		if c < utf8.RuneSelf {
			text = text[1:]
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c == '\n':
				b = append(b, '\\', 'n')
			case c == '\r':
				b = append(b, '\\', 'r')
			case c == '\t':
				b = append(b, '\\', 't')
			case c < ' ' || c == 0x7f:
				b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
			default:
				b = append(b, c)
			}
			continue
		}
		r, n := utf8.DecodeRune(text)
		b = utf8.AppendRune(b, r) // U+FFFD for what is none
		text = text[n:]
	}
	return b
}
