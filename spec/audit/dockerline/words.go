package dockerline

import (
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// The bounds of one command line.
const (
	maxLine  = 128 << 10 // MAX_ARG_STRLEN is as much
	maxWords = 10_000
)

// words splits a command line as a POSIX shell would (XCU 2.2), without expanding
// anything. Variables and substitutions stay as they are written, and are told of:
// what they stand for cannot be judged. What begins a second command is refused.
func words(text string) (out []string, expanded bool, err error) {
	if len(text) > maxLine {
		return nil, false, problem.New("", "the command line is longer than %d KiB", maxLine>>10)
	}
	s := splitter{text: text}
	for s.i < len(s.text) {
		if err := s.step(); err != nil {
			return nil, false, err
		}
		if len(s.out) > maxWords {
			return nil, false, problem.New("", "the command line has more than %d words", maxWords)
		}
	}
	s.end()
	return s.out, s.expanded, nil
}

type splitter struct {
	text     string
	i        int
	out      []string
	word     strings.Builder
	inWord   bool
	expanded bool
}

func (s *splitter) end() {
	if s.inWord {
		s.out = append(s.out, s.word.String())
		s.word.Reset()
		s.inWord = false
	}
}

func (s *splitter) put(c byte) { s.word.WriteByte(c); s.inWord = true }

func (s *splitter) step() error {
	c := s.text[s.i]
	s.i++
	switch c {
	case ' ', '\t', '\r':
		s.end()
	case '\n':
		s.end()
		if len(s.out) > 0 && strings.TrimSpace(s.text[s.i:]) != "" {
			return problem.New("give one docker run, lines of it ended by \\", "there is more than one command")
		}
	case '\\':
		s.escaped()
	case '\'':
		return s.quoted('\'')
	case '"':
		return s.quoted('"')
	case ';', '|', '&', '<', '>', '(', ')':
		return problem.New("quote it, or give the docker run alone", "%q is the shell's, outside quotes", c)
	case '#':
		if !s.inWord {
			return problem.New("leave the comment out, or quote the #", "a # begins a comment")
		}
		s.put(c)
	case '$', '`':
		s.expanded = true
		s.put(c)
	default:
		s.put(c)
	}
	return nil
}

// escaped takes what follows a backslash; before a line's end both vanish.
func (s *splitter) escaped() {
	if s.i < len(s.text) {
		if c := s.text[s.i]; c != '\n' {
			s.put(c)
		}
		s.i++
	}
}

func (s *splitter) quoted(end byte) error {
	s.inWord = true
	for s.i < len(s.text) {
		c := s.text[s.i]
		s.i++
		switch {
		case c == end:
			return nil
		case c == '\\' && end == '"' && s.i < len(s.text) && strings.IndexByte("$`\"\\\n", s.text[s.i]) >= 0:
			if s.text[s.i] != '\n' {
				s.put(s.text[s.i])
			}
			s.i++
		default:
			s.expanded = s.expanded || end == '"' && (c == '$' || c == '`')
			s.put(c)
		}
	}
	return problem.New("close it", "a quote %c is not closed", end)
}
