package verify

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/safe-run/safe-run/spec/battery"
)

// What comes out of a container is whatever the container wants it to be.
const (
	maxLine   = 64 << 10
	maxLines  = 1000
	maxDetail = 400
	maxParts  = 32
	maxFacts  = 32
	maxName   = 64
)

// Line is what the probe program says of one probe.
type Line struct {
	ID      string          `json:"id"`
	Verdict battery.Verdict `json:"verdict"`
	Errno   string          `json:"errno"`
	Signal  string          `json:"signal"`
	Effect  bool            `json:"effect"`
	Marker  bool            `json:"marker"`
	Detail  string          `json:"detail"`
	Micros  int64           `json:"us"`
	Parts   []Line          `json:"parts"`
	Name    string          `json:"name"`
}

// Took is how long its child ran.
func (l Line) Took() time.Duration { return time.Duration(l.Micros) * time.Microsecond }

// said is all that a probe program wrote.
type said struct {
	facts map[string]string
	lines []Line
	ended bool // it came to its end
	// begun is the last probe that was announced because it may end everything.
	begun string
}

// read takes in what a probe program writes, as far as it is what one would
// write. What was read before an error counts.
func read(from io.Reader, each func(Line)) (said, error) {
	out := said{facts: map[string]string{}}
	seen := map[string]bool{}
	scan := bufio.NewScanner(from)
	scan.Buffer(make([]byte, 0, 4096), maxLine)
	for n := 0; scan.Scan(); n++ {
		if n >= maxLines {
			return out, fmt.Errorf("it wrote more than %d lines", maxLines)
		}
		if len(bytes.TrimSpace(scan.Bytes())) == 0 {
			continue
		}
		var line struct {
			Line
			Info map[string]string       `json:"info"`
			End  *struct{ Probes int64 } `json:"end"`
			// Begin is a probe that may end the whole container.
			Begin string `json:"begin"`
		}
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			return out, fmt.Errorf("line %d is not the probe program's: %w", n+1, err)
		}
		switch {
		case line.Begin != "" && isID(line.Begin):
			out.begun = line.Begin
		case line.Info != nil:
			out.facts = facts(line.Info)
		case line.End != nil:
			out.ended = true
			if line.End.Probes != int64(len(out.lines)) {
				return out, fmt.Errorf("it says that there were %d probes, and wrote of %d", line.End.Probes, len(out.lines))
			}
			return out, nil
		case seen[line.ID]:
			return out, fmt.Errorf("line %d: %s was there before", n+1, clean(line.ID, maxName))
		default:
			if err := line.check(0); err != nil {
				return out, fmt.Errorf("line %d: %w", n+1, err)
			}
			seen[line.ID] = true
			out.lines = append(out.lines, line.Line)
			if each != nil {
				each(line.Line)
			}
		}
	}
	return out, scan.Err()
}

// check bounds a line, and makes its text safe to show.
func (l *Line) check(depth int) error {
	if depth == 0 && !isID(l.ID) {
		return fmt.Errorf("%q is no probe", clean(l.ID, maxName))
	}
	switch l.Verdict {
	case battery.Blocked, battery.Allowed, battery.Missing, battery.NotRun, battery.Error:
	default:
		return fmt.Errorf("%s: %q is no verdict", l.ID, clean(string(l.Verdict), maxName))
	}
	if len(l.Parts) > maxParts || depth > 0 && len(l.Parts) > 0 {
		return fmt.Errorf("%s has too many parts", l.ID)
	}
	if l.Micros < 0 || l.Micros > int64(time.Hour/time.Microsecond) {
		return errors.New("a child that ran for longer than the battery")
	}
	l.Errno, l.Signal, l.Name = clean(l.Errno, maxName), clean(l.Signal, maxName), clean(l.Name, maxName)
	l.Detail = clean(l.Detail, maxDetail)
	for i := range l.Parts {
		if err := l.Parts[i].check(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// isID says whether s is a letter and two digits.
func isID(s string) bool {
	return len(s) == 3 && 'A' <= s[0] && s[0] <= 'Z' && '0' <= s[1] && s[1] <= '9' && '0' <= s[2] && s[2] <= '9'
}

func facts(info map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range info {
		if len(out) < maxFacts {
			out[clean(name, maxName)] = clean(value, maxDetail)
		}
	}
	return out
}

// clean is text that moves no cursor, forges no line and has an end.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
	for i := range s {
		if i > most {
			return s[:i] + "…"
		}
	}
	return s
}
