package image

import (
	"bytes"
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

// Unpacker is the name of the program that unpacks images.
const Unpacker = "safe-run-image"

// Failure is what that program writes to its standard output as one JSON
// object when it fails and was asked for --format json.
type Failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// maxFailure bounds the unpacker's standard output in bytes.
const maxFailure = 64 << 10

// stopGrace is how long an unpacker that was told to stop may tidy up.
const stopGrace = 2 * time.Second

// runUnpacker has ref unpacked into the store and recorded.
func runUnpacker(ctx context.Context, ref Reference, o Options) error {
	path, err := findUnpacker(o.Program)
	if err != nil {
		return problem.New("install "+Unpacker+" beside safe-run, or name it in SAFE_RUN_IMAGE",
			"image %s cannot be unpacked: %w", ref, err)
	}
	args := []string{"unpack", "--format", "json"}
	if o.Store != "" {
		args = append(args, "--store", o.Store)
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
	return problem.New("run it by hand: "+path+" unpack "+ref.String(), "image %s: %s: %w", ref, Unpacker, err)
}

// findUnpacker finds the program that unpacks.
func findUnpacker(named string) (string, error) {
	if named == "" {
		named = os.Getenv("SAFE_RUN_IMAGE")
	}
	if named != "" {
		return exec.LookPath(named)
	}
	self, err := os.Executable() // where /proc/self/exe points to
	if err == nil {
		beside, err := exec.LookPath(filepath.Join(filepath.Dir(self), Unpacker))
		if err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath(Unpacker)
	if err != nil {
		return "", errors.New(Unpacker + " is neither beside " + self + " nor in PATH")
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
