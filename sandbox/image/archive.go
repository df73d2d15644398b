package image

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/safe-run/safe-run/spec/problem"
)

// The verbs of the Fetcher that turn an archive on standard input into frames
// on standard output, and back (sandbox/copy). Archives are a foreign format,
// too.
const (
	ReadArchive  = "archive-read"
	WriteArchive = "archive-write"
)

// Archive is the program at work.
type Archive struct {
	cmd    *exec.Cmd
	said   bytes.Buffer
	pipe   io.Closer
	verb   string
	once   sync.Once
	result error
}

// OpenArchive gives the frames of the archive that is read from in.
func OpenArchive(ctx context.Context, in io.Reader) (*Archive, io.Reader, error) {
	a, err := newArchive(ctx, ReadArchive)
	if err != nil {
		return nil, nil, err
	}
	a.cmd.Stdin = in
	out, err := a.cmd.StdoutPipe()
	if err == nil {
		err = a.cmd.Start()
	}
	a.pipe = out
	return a, out, err
}

// CreateArchive writes to out the archive of the frames that are written.
func CreateArchive(ctx context.Context, out io.Writer) (*Archive, io.Writer, error) {
	a, err := newArchive(ctx, WriteArchive)
	if err != nil {
		return nil, nil, err
	}
	a.cmd.Stdout = out
	in, err := a.cmd.StdinPipe()
	if err == nil {
		err = a.cmd.Start()
	}
	a.pipe = in
	return a, in, err
}

func newArchive(ctx context.Context, verb string) (*Archive, error) {
	path, err := FindFetcher("")
	if err != nil {
		return nil, problem.New("install "+Fetcher+" beside safe-run, or name it in SAFE_RUN_IMAGE", "archives cannot be read or written: %w", err)
	}
	a := &Archive{verb: verb, cmd: exec.CommandContext(ctx, path, verb)}
	a.cmd.Stderr = &bounded{w: &a.said, left: maxFailure}
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return a, nil
}

// Close waits for the program and says what went wrong with it.
func (a *Archive) Close() error {
	a.once.Do(func() {
		a.pipe.Close()
		if err := a.cmd.Wait(); err != nil {
			a.result = a.explain(err)
		}
	})
	return a.result
}

func (a *Archive) explain(err error) error {
	first, rest, _ := strings.Cut(strings.TrimSpace(a.said.String()), "\n")
	if status, ok := a.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGPIPE {
		return problem.New("", "whoever reads the archive has ended early: %w", syscall.EPIPE)
	}
	if first == "" {
		return problem.New("", "%s %s: %w", Fetcher, a.verb, err)
	}
	hint, _, _ := strings.Cut(strings.TrimPrefix(rest, "hint: "), "\n")
	return problem.New(hint, "%s", strings.TrimPrefix(first, Fetcher+": "))
}
