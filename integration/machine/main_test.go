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

// asked asks for these tests, each of which takes a minute: "1" for all, "part" for
// what continuous integration has time for.
const asked = "SAFE_RUN_TEST_VM"

// inside is set in a machine.
const inside = "SAFE_RUN_IN_MACHINE"

// need skips a test where machines are not asked for, and gives the kernels: of the
// older Debian and of the newer one. Without them nothing is checked, which is told.
func need(t *testing.T) (old, recent vm.Kernel) {
	t.Helper()
	if os.Getenv(asked) == "" {
		t.Skip("NOT CHECKED: make test-vm makes machines")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("NOT CHECKED: machines are for amd64")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skipf("NOT CHECKED: there are no machines: %v", err)
	}
	old, err := vm.Find("6.1")
	if err == nil {
		recent, err = vm.Find("6.12")
	}
	if err != nil {
		t.Skipf("NOT CHECKED: there is no kernel to start a machine with: %v", err)
	}
	return old, recent
}

// part says whether a part is asked for and not all.
func part() bool { return os.Getenv(asked) == "part" }

// needInside skips a test that is for the inside of a machine.
func needInside(t *testing.T) {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("NOT CHECKED: this is for the inside of a machine, which TestSuite starts")
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

// tags are the Makefile's.
const tags = "netgo osusergo seccomp containers_image_openpgp exclude_graphdriver_btrfs"

// programs are the product and the suite, built once.
var programs = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(scratch, "bin")
	if out, err := exec.Command("make", "-C", "../..", "build", "BIN="+bin).CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	for _, args := range [][]string{
		{"0", "build", "-trimpath", "-o", filepath.Join(bin, "peek"), "../peek"},
		// The suite compiles filters with libseccomp.
		{"1", "test", "-c", "-trimpath", "-tags", tags, `-ldflags=-s -w -extldflags "-static"`, "-o", filepath.Join(bin, "suite"), ".."},
		{"0", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(bin, "inside"), "."},
	} {
		cmd := exec.Command("go", args[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+args[0])
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
		Again: func(why string) bool {
			t.Logf("NOTE: Linux %s: %s; the machine is started once more", kernel.Release, why)
			return true
		},
	}
}

// told logs what a machine that failed said. One that never came to its command
// checked nothing; one that failed later failed.
func told(t *testing.T, out vm.Outcome, err error) {
	t.Helper()
	var failure *vm.Failure
	switch {
	case errors.As(err, &failure) && out.Boot == 0:
		t.Skipf("NOT CHECKED: the machine does not start: %v\nthe end of its console:\n%s\nits command:\n%s", err, failure.Console, failure.Command)
	case errors.As(err, &failure):
		t.Fatalf("%v\nthe end of its console:\n%s\nits command:\n%s", err, failure.Console, failure.Command)
	case err != nil:
		t.Fatal(err)
	}
}
