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
	cmd     *exec.Cmd
	said    bytes.Buffer
	pipe    io.Closer
	verb    string
	once    sync.Once
	result  error
	stopped bool
}

// OpenArchive gives the frames of the archive that is read from in.
func OpenArchive(ctx context.Context, in io.Reader) (*Archive, io.Reader, error) {
	a, err := newArchive(ctx, ReadArchive)
	if err != nil {
		return nil, nil, err
	}
	a.cmd.Stdin = in
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return a, out, a.start(out)
}

// CreateArchive writes to out the archive of the frames that are written.
func CreateArchive(ctx context.Context, out io.Writer) (*Archive, io.Writer, error) {
	a, err := newArchive(ctx, WriteArchive)
	if err != nil {
		return nil, nil, err
	}
	a.cmd.Stdout = out
	in, err := a.cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	return a, in, a.start(in)
}

// start leaves nothing open where it fails.
func (a *Archive) start(pipe io.Closer) error {
	a.pipe = pipe
	err := a.cmd.Start()
	if err != nil {
		pipe.Close()
	}
	return err
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

// Stop ends the program where the copy has failed: the other side of the archive
// may never write or read again. What had gone wrong with it before, it says.
func (a *Archive) Stop() error {
	a.stopped = true
	_ = a.cmd.Process.Kill() // it may have ended by itself
	return a.Close()
}

// Close waits for the program and says what went wrong with it.
func (a *Archive) Close() error {
	a.once.Do(func() {
		a.pipe.Close()
		if err := a.cmd.Wait(); err != nil && !a.killed() {
			a.result = a.explain(err)
		}
	})
	return a.result
}

func (a *Archive) killed() bool {
	status, ok := a.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return a.stopped && ok && status.Signal() == syscall.SIGKILL
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
