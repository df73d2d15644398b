package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// self is this program. Not os.Executable, which needs /proc.
const self = "/proc/self/exe"

// guarded runs a command that may kill its thread or its process. A thread that
// is killed alone leaves the others waiting for ever, hence the time limit.
func guarded(args ...string) (string, error) {
	cmd := exec.Command(self, args...)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
			return "killed by " + unix.SignalName(exit.Sys().(syscall.WaitStatus).Signal()), nil
		}
		return strings.TrimSpace(out.String()), err
	case <-time.After(2 * time.Second):
		cmd.Process.Kill()
		return "thread killed", nil
	}
}

// cloneInto starts a child in new namespaces.
func cloneInto(flags uintptr) (string, error) {
	cmd := exec.Command(self, "id")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if err := cmd.Run(); err != nil {
		return "", err
	}
	return "ok", nil
}

// execCopy copies this program into a directory and runs the copy.
func execCopy(args []string) (string, error) {
	path := filepath.Join(args[0], ".peek-exec")
	defer os.Remove(path)
	if err := copySelf(func() (*os.File, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	}, func(*os.File) {}); err != nil {
		return "", err
	}
	return runIt(path)
}

// execMemory runs a copy of this program that has no file.
func execMemory([]string) (string, error) {
	var line string
	var runErr error
	err := copySelf(func() (*os.File, error) {
		fd, err := unix.MemfdCreate("peek", 0)
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), "memfd"), nil
	}, func(f *os.File) {
		line, runErr = runIt(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()))
	})
	if err != nil {
		return "", err
	}
	return line, runErr
}

// copySelf writes this program to the file that create gives; then is called
// while the file is still open.
func copySelf(create func() (*os.File, error), then func(*os.File)) error {
	in, err := os.Open(self)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := create()
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	then(out)
	return nil
}

func runIt(path string) (string, error) {
	if err := exec.Command(path, "id").Run(); err != nil {
		return "", err
	}
	return "ok", nil
}
