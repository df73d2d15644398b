// Package machine holds the tests that need another kernel than the machine's own:
// a chosen part of the suite, and the battery, in emulated machines with cgroup
// version 2, AppArmor and Debian's kernels. make test-vm runs them.
package machine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/safe-run/safe-run/sandbox/vm"
)

// asked asks for these tests: each takes a minute.
const asked = "SAFE_RUN_TEST_VM"

// need skips a test where machines are not asked for.
func need(t *testing.T) {
	t.Helper()
	if os.Getenv(asked) == "" {
		t.Skip("NOT CHECKED: make test-vm makes machines")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("NOT CHECKED: machines are for amd64")
	}
}

// scratch is removed when all tests are over.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "machine"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		code = 1
	}
	os.Exit(code)
}

// programs are the product and the suite, built once.
var programs = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(scratch, "bin")
	if out, err := exec.Command("make", "-C", "../..", "build", "BIN="+bin).CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	for _, args := range [][]string{
		{"build", "-trimpath", "-o", filepath.Join(bin, "peek"), "../peek"},
		{"test", "-c", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(bin, "suite"), ".."},
	} {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.Join(err, errors.New(string(out)))
		}
	}
	return bin, nil
})

// machine is one with the product in /bin.
func machine(t *testing.T, kernel vm.Kernel) vm.Machine {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	return vm.Machine{
		Kernel: kernel, Init: filepath.Join(bin, "safe-run-policy"), Memory: 1536, Modules: vm.Product,
		Files: map[string]string{"/bin": bin, "/usr/bin/busybox": busybox},
	}
}

// told logs what a machine that failed said.
func told(t *testing.T, err error) {
	t.Helper()
	var failure *vm.Failure
	if errors.As(err, &failure) {
		t.Fatalf("%v\nthe end of its console:\n%s\nits command:\n%s", err, failure.Console, failure.Command)
	}
	if err != nil {
		t.Fatal(err)
	}
}
