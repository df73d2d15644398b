package vuln

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// output runs a program to its end, with everything it starts in one process
// group, and gives what it writes to standard output.
func output(ctx context.Context, dir string, env, argv []string) ([]byte, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &bounded{limit: maxReport, full: func() { stop(errTooMuch) }}
	complaint := &bounded{limit: 16 << 10}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, out, complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second // for pipes that an orphan holds
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// What it left behind is ended before it is reaped: until then nobody else
	// can have the group's number.
	for errors.Is(unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	err := cmd.Wait()
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTooMuch):
		return nil, errTooMuch
	case errors.Is(cause, context.DeadlineExceeded):
		return nil, fmt.Errorf("it took too long: %w", cause)
	case cause != nil:
		return nil, cause
	case err != nil:
		if said := lastLine(complaint.kept.Bytes()); said != "" {
			return nil, fmt.Errorf("%w: %s", err, said)
		}
		return nil, err
	}
	return out.kept.Bytes(), nil
}

// errTooMuch says that a scanner wrote more than a report may have.
var errTooMuch = errors.New("it wrote more than 64 MiB")

// bounded keeps what is written up to a limit, and takes the rest.
type bounded struct {
	kept  bytes.Buffer // not embedded: its ReadFrom knows no limit
	limit int
	full  func() // called when more is written; may be nil
}

func (b *bounded) Write(p []byte) (int, error) {
	if left := b.limit - b.kept.Len(); len(p) > left {
		b.kept.Write(p[:left])
		if b.full != nil {
			b.full()
		}
		return len(p), nil
	}
	return b.kept.Write(p)
}

// lastLine is what a failing program said last.
func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return title(lines[len(lines)-1])
}
