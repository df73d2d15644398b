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
	err := cmd.Wait()
	// Orphans of the group keep its number taken, so this reaches them only.
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTooMuch):
		return nil, errTooMuch
	case errors.Is(cause, context.DeadlineExceeded):
		return nil, fmt.Errorf("it took too long: %w", cause)
	case cause != nil:
		return nil, cause
	case err != nil:
		if said := lastLine(complaint.Bytes()); said != "" {
			return nil, fmt.Errorf("%w: %s", err, said)
		}
		return nil, err
	}
	return out.Bytes(), nil
}

// bounded keeps what is written up to a limit, and reads on.
type bounded struct {
	bytes.Buffer
	limit int
	full  func() // called when more is written; may be nil
}

func (b *bounded) Write(p []byte) (int, error) {
	if left := b.limit - b.Len(); len(p) > left {
		b.Buffer.Write(p[:left])
		if b.full != nil {
			b.full()
		}
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// lastLine is what a failing program said last.
func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return title(lines[len(lines)-1])
}
