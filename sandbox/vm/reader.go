package vm

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"
)

// What the guest writes to the second serial line, one line each: that the
// command begins, what it writes, and how it ended.
const (
	LineBegin  = "begin"
	LineOutput = "> "
	LineEnd    = "end "
)

// bounds of what a machine is believed to say.
const (
	maxResults = 64 << 20
	maxConsole = 8 << 20
)

var errSilent = errors.New("the machine is silent")

// reader follows what a machine writes into its files.
type reader struct {
	machine       Machine
	path, console string
	began         time.Time
	hung          func(error)

	rest  []byte // a line that is not whole yet
	read  int64
	heard time.Time
	known int64 // size of the console when it was looked at last

	lines []string
	boot  time.Duration
	ended bool
	code  int
}

// follow reads until stop is closed, and once more after it.
func (r *reader) follow(stop <-chan struct{}) {
	r.heard = time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		r.more()
		limit := r.machine.silence()
		if r.known == 0 && r.machine.mute > 0 {
			limit = r.machine.mute
		}
		if time.Since(r.heard) > limit {
			r.hung(errSilent)
		}
		select {
		case <-stop:
			r.more()
			return
		case <-tick.C:
		}
	}
}

// more reads what has come.
func (r *reader) more() {
	if info, err := os.Stat(r.console); err == nil && info.Size() != r.known {
		r.known, r.heard = info.Size(), time.Now()
		if r.known > maxConsole {
			r.hung(errors.New("the machine says too much"))
		}
	}
	file, err := os.Open(r.path)
	if err != nil {
		return // qemu has not made it yet
	}
	defer file.Close()
	chunk := make([]byte, 64<<10)
	for r.read < maxResults {
		n, err := file.ReadAt(chunk, r.read)
		if n > 0 {
			r.read, r.heard = r.read+int64(n), time.Now()
			r.add(chunk[:n])
		}
		if err != nil {
			return
		}
	}
	r.hung(errors.New("the machine says too much"))
}

// add takes lines apart.
func (r *reader) add(data []byte) {
	r.rest = append(r.rest, data...)
	for {
		line, rest, whole := bytes.Cut(r.rest, []byte("\n"))
		if !whole {
			return
		}
		r.rest = bytes.Clone(rest)
		r.line(strings.TrimRight(string(line), "\r"))
	}
}

func (r *reader) line(line string) {
	if r.ended {
		return
	}
	if text, is := strings.CutPrefix(line, LineOutput); is {
		r.lines = append(r.lines, text)
		if r.machine.Line != nil {
			r.machine.Line(text)
		}
		return
	}
	if line == LineBegin && r.boot == 0 {
		r.boot = time.Since(r.began)
	}
	if code, is := strings.CutPrefix(line, LineEnd); is {
		if n, err := strconv.Atoi(code); err == nil {
			r.code, r.ended = n, true
		}
	}
}

// tail gives the last lines of a file.
func tail(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	data = data[max(0, len(data)-64<<10):]
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// quoted is a command line that can be typed.
func quoted(line []string) string {
	words := make([]string, len(line))
	for i, word := range line {
		if words[i] = word; strings.ContainsAny(word, " ,'") {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
