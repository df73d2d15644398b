package sandbox

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// execCode is what libcontainer's init exits with when execve(2) itself fails.
// By then every channel to the launcher is closed, and the reason is a line on
// standard error: "exec /bin/app: exec format error".
const execCode = 255

// maxHeld bounds that line: a path of PATH_MAX and an errno's text.
const maxHeld = 4096 + 256

// execWatch holds back a first line that may be init's, and passes everything
// else on as it comes.
type execWatch struct {
	out io.Writer

	mu     sync.Mutex
	held   []byte
	passed bool
}

// Write implements io.Writer.
func (w *execWatch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.passed {
		return w.out.Write(p)
	}
	w.held = append(w.held, p...)
	const start = "exec "
	n := min(len(start), len(w.held))
	line := bytes.IndexByte(w.held, '\n')
	if string(w.held[:n]) == start[:n] && len(w.held) < maxHeld && (line < 0 || line == len(w.held)-1) {
		return len(p), nil
	}
	return len(p), w.pass()
}

// pass writes what is held and holds nothing from now on.
func (w *execWatch) pass() error {
	w.passed = true
	_, err := w.out.Write(w.held)
	w.held = nil
	return err
}

// failure completes failed by the reason on the held line. It is nil when the
// program was run: then the line, whatever it looks like, is the program's own
// and is passed on.
func (w *execWatch) failure(failed *runc.ExecError) *runc.ExecError {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.passed || len(w.held) == 0 {
		return failed
	}
	text, _ := strings.CutPrefix(strings.TrimSuffix(string(w.held), "\n"), "exec ")
	program, reason, ok := strings.Cut(text, ": ")
	if failed == nil || !ok || !strings.HasPrefix(program, "/") {
		_ = w.pass()
		return failed
	}
	e := &runc.ExecError{Program: program, Reason: reason}
	if strings.Contains(reason, "no such file") {
		// The file is there, or the look-up before would have said so.
		e.Reason = "the interpreter or loader that it names is not in the image"
		e.NotFound = true
	}
	return e
}
