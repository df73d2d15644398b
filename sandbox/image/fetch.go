package image

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// Fetcher is the name of the program that finds, checks and unpacks images.
const Fetcher = "safe-run-image"

// Failure is what that program writes to its standard output as one JSON
// object when it fails and was asked for --format json.
type Failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// maxFailure bounds that program's standard output in bytes.
const maxFailure = 64 << 10

// stopGrace is how long it may tidy up when it was told to stop.
const stopGrace = 2 * time.Second

// fetch has ref fetched into the store and recorded.
func fetch(ctx context.Context, ref Reference, o Options) error {
	path, err := FindFetcher(o.Program)
	if err != nil {
		return problem.New("install "+Fetcher+" beside safe-run, or name it in SAFE_RUN_IMAGE",
			"image %s cannot be fetched: %w", ref, err)
	}
	trust, err := json.Marshal(o.Trust)
	if err != nil {
		return err
	}
	// The store is named whatever the variables say: both must mean the same.
	args := []string{
		"pull", "--format", "json", "--trust", string(trust), "--pull", string(cmp.Or(o.Pull, PullMissing)),
		"--store", storeDir(o.Store),
	}
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, path, append(args, "--", ref.String())...)
	cmd.Stdout = &bounded{w: &stdout, left: maxFailure}
	cmd.Stderr = o.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}

	// The parent-death signal is sent when the thread that started the child
	// ends (prctl(2)), so that thread must live until the child has ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var said Failure
	if json.Unmarshal(stdout.Bytes(), &said) == nil && said.Error != "" {
		return problem.New(said.Hint, "%s", said.Error)
	}
	return problem.New("run it by hand: "+path+" pull "+ref.String(), "image %s: %s: %w", ref, Fetcher, err)
}

// FindFetcher finds that program; named is its path when it is known.
func FindFetcher(named string) (string, error) {
	if named == "" {
		named = os.Getenv("SAFE_RUN_IMAGE")
	}
	if named != "" {
		return exec.LookPath(named)
	}
	self, err := os.Executable() // where /proc/self/exe points to
	if err == nil {
		beside, err := exec.LookPath(filepath.Join(filepath.Dir(self), Fetcher))
		if err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath(Fetcher)
	if err != nil {
		return "", errors.New(Fetcher + " is neither beside " + self + " nor in PATH")
	}
	return path, nil
}

// bounded keeps the first bytes of what is written and drops the rest.
type bounded struct {
	w    io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), b.left)
	b.left -= keep
	if _, err := b.w.Write(p[:keep]); err != nil {
		return 0, err
	}
	return len(p), nil
}
