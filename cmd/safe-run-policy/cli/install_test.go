package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestInstallNotAllowed: who may not write is told what to do, and nothing is
// left of the attempt.
func TestInstallNotAllowed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT CHECKED: what install says to those who may not write; not root, nobody to become")
	}
	dir := t.TempDir()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "bin", "safe-run-oci")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	var out, errors bytes.Buffer
	code := asNobody(func() int {
		return Main(context.Background(), []string{"safe-run", "install", "podman", "--root", dir, "--bin", "/bin"}, IO{Out: &out, Err: &errors})
	})
	if code != exitFailed || !strings.Contains(errors.String(), "permission denied") || !strings.Contains(errors.String(), "hint: run it as root") {
		t.Errorf("exit %d: %s%s", code, &out, &errors)
	}
	if _, err := os.Stat(filepath.Join(dir, "etc")); err == nil {
		t.Error("something is left")
	}
}

// asNobody does something with another user's right to files. This thread alone
// has it, and ends with its goroutine.
func asNobody(do func() int) int {
	done := make(chan int)
	go func() {
		runtime.LockOSThread()
		const nobody = 65534
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // it has no errors
		done <- do()
	}()
	return <-done
}
