package vm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// machines asks for tests that make machines: emulated, each takes seconds.
const machines = "SAFE_RUN_TEST_VM"

// needMachines skips a test where there is nothing to make a machine of.
func needMachines(t *testing.T) Machine {
	t.Helper()
	if os.Getenv(machines) == "" {
		t.Skip("NOT CHECKED: make test-vm makes machines")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("NOT CHECKED: machines are for amd64")
	}
	kernel, err := Find("")
	if err != nil {
		t.Fatal(err)
	}
	init := filepath.Join(t.TempDir(), "init")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", init, "../../cmd/safe-run-policy")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return Machine{Kernel: kernel, Init: init, Files: map[string]string{"/bin/busybox": "/bin/busybox"}, Modules: []string{"overlay"}}
}

func TestMachine(t *testing.T) {
	m := needMachines(t)
	m.Args = []string{"/bin/busybox", "sh", "-c", "busybox uname -r; busybox grep -c . /proc/self/mountinfo; echo to the console >&2; (busybox sleep 1; echo orphan) & exit 7"}
	m.Env = []string{"PATH=/bin"}
	out, err := m.Run(context.Background())
	if err != nil {
		var failure *Failure
		if errors.As(err, &failure) {
			t.Log(failure.Console, failure.Command)
		}
		t.Fatal(err)
	}
	t.Logf("%s: the command began after %s, all took %s", m.Kernel.Release, out.Boot.Round(time.Millisecond), out.Took.Round(time.Millisecond))
	if out.Code != 7 || len(out.Lines) < 2 || out.Lines[0] != m.Kernel.Release {
		t.Errorf("exit code %d, wrote %q; want 7 and %s", out.Code, out.Lines, m.Kernel.Release)
	}
}

// needTime skips what takes minutes where only a part is asked for.
func needTime(t *testing.T) {
	t.Helper()
	if os.Getenv(machines) == "part" {
		t.Skip("NOT CHECKED: make test-vm has the time for it")
	}
}

// TestCrash: a panic is told with the end of the console and the command line.
func TestCrash(t *testing.T) {
	needTime(t)
	m := needMachines(t)
	m.Args = []string{"/bin/busybox", "sh", "-c", "echo before; echo c > /proc/sysrq-trigger; busybox sleep 60"}
	out, err := m.Run(context.Background())
	var failure *Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Why, "its kernel panicked: sysrq triggered crash") || !strings.Contains(failure.Command, "-kernel "+m.Kernel.Image) {
		t.Errorf("a machine that crashed gave %v, %+v", err, failure)
		if failure != nil {
			t.Log(failure.Console, failure.Command)
		}
	}
	if len(out.Lines) != 1 || out.Lines[0] != "before" {
		t.Errorf("what was written before the crash: %q", out.Lines)
	}
}

// TestHung: a machine that does nothing is ended.
func TestHung(t *testing.T) {
	needTime(t)
	m := needMachines(t)
	m.Silence = 20 * time.Second
	m.Args = []string{"/bin/busybox", "sleep", "10000"}
	_, err := m.Run(context.Background())
	var failure *Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Why, "hung") {
		t.Errorf("a machine that hung gave %v", err)
	}
}

// TestNoKernel: each mistake is a line with a hint.
func TestNoKernel(t *testing.T) {
	for _, name := range []string{"/nowhere/vmlinuz", "0.0-nobody-has-this"} {
		if k, err := Find(name); err == nil {
			t.Errorf("Find(%q) = %+v", name, k)
		}
	}
}

func TestLines(t *testing.T) {
	var got []string
	r := &reader{machine: Machine{Line: func(s string) { got = append(got, s) }}, began: time.Now()}
	for _, part := range []string{"noise\nbeg", "in\r\n> one\n> ", "two\nend", " 3\n> late\n"} {
		r.add([]byte(part))
	}
	if strings.Join(got, ",") != "one,two" || !r.ended || r.code != 3 || r.boot == 0 {
		t.Errorf("lines %q, ended %t with %d, boot %s", got, r.ended, r.code, r.boot)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("begin\n> a\nend 1\n"))
	f.Add([]byte("> \x00\nend x\nend -1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, parts := &reader{}, &reader{}
		whole.add(data)
		for i := range data {
			parts.add(data[i : i+1])
		}
		if strings.Join(whole.lines, "\n") != strings.Join(parts.lines, "\n") || whole.ended != parts.ended || whole.code != parts.code {
			t.Errorf("%q read at once and byte by byte differ", data)
		}
	})
}

func TestQuoted(t *testing.T) {
	if got := quoted([]string{"a", "b c", "it's"}); got != `a 'b c' 'it'\''s'` {
		t.Errorf("got %s", got)
	}
}
