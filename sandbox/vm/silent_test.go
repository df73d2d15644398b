package vm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeMachine is one whose qemu is a script, which finds the console's file in
// $console.
func fakeMachine(t *testing.T, script string) Machine {
	t.Helper()
	dir := t.TempDir()
	const head = "#!/bin/sh\nfor word; do case $word in file:*) [ -n \"$console\" ] || console=${word#file:} ;; esac; done\n"
	program := filepath.Join(dir, "qemu-system-x86_64")
	if err := errors.Join(
		os.WriteFile(program, []byte(head+script), 0o755), os.Mkdir(filepath.Join(dir, "modules"), 0o755), os.WriteFile(filepath.Join(dir, "vmlinuz"), nil, 0o644),
	); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/sbin:/usr/bin:/sbin:/bin")
	return Machine{
		Kernel: Kernel{Release: "fake", Image: filepath.Join(dir, "vmlinuz"), Modules: filepath.Join(dir, "modules")},
		Init:   program, Accel: "tcg", Args: []string{"/bin/true"},
	}
}

// TestSilent: a machine that says nothing more is ended, and it is told how it was
// started and what it said last; it is not started again.
func TestSilent(t *testing.T) {
	m := fakeMachine(t, "echo 'the last line' >\"$console\"\nexec sleep 1000\n")
	m.Silence = time.Second
	m.Again = func(why string) bool { t.Errorf("it is started again: %s", why); return false }
	_, err := m.Run(context.Background())
	var failure *Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Why, "it wrote nothing for 1s") || failure.Console != "the last line" {
		t.Fatalf("%v, %+v", err, failure)
	}
	for _, words := range []string{"qemu-system-x86_64 -accel 'tcg,thread=single' ", " -kernel " + m.Kernel.Image, " no_timer_check ", "-serial file:"} {
		if !strings.Contains(failure.Command, words) {
			t.Errorf("nothing of %q in %s", words, failure.Command)
		}
	}
}

// TestVanished: a machine that is off and had not said so is started once more, and
// one that had is not.
func TestVanished(t *testing.T) {
	for script, want := range map[string]int{
		"":                              1,
		"echo 'a line' >\"$console\"\n": 1,
		"echo '[ 2.0] reboot: Power down' >\"$console\"\n":                                      0,
		"echo 'Kernel panic - not syncing: Attempted to kill init!' >\"$console\"\n":            0,
		"echo 'qemu-system-x86_64: no such machine' >&2; exit 1\n":                              0,
		"printf 'Oops: int3: 0000 [#1]\\nKernel panic - not syncing: Fatal\\n' >\"$console\"\n": 1,
	} {
		m, told := fakeMachine(t, script), 0
		m.Again = func(string) bool { told++; return true }
		_, err := m.Run(context.Background())
		var failure *Failure
		if !errors.As(err, &failure) || told != want {
			t.Errorf("%q: started %d times more, want %d: %v", script, told, want, err)
		}
	}
}
