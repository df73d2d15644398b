package vm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestFind: a name is the beginning of a release, number by number, and what is
// unpacked already is taken where it is there.
func TestFind(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	at := func(names ...string) string {
		return filepath.Join(append([]string{home, "safe-run", "kernels"}, names...)...)
	}
	for release, files := range map[string][]string{"6.12.3-x": {"vmlinuz", "vmlinux"}, "6.1.0-50-x": {"vmlinuz"}} {
		if err := os.MkdirAll(at(release, "modules"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if err := os.WriteFile(at(release, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	old, recent := at("6.1.0-50-x", "vmlinuz"), at("6.12.3-x", "vmlinux")
	for name, want := range map[string]string{
		"6.1": old, "6.1.": old, "6.1.0-5": "", "6.1.0-50": old, "6.12": recent, "6.12.3-x": recent, "6.": old, "6.2": "", "6.12.3-xy": "",
		at("6.12.3-x", "vmlinuz"): at("6.12.3-x", "vmlinuz"), recent: recent, at("6.12.3-x", "vmlinu"): "",
	} {
		k, err := Find(name)
		if k.Image != want && (want != "" || err == nil) || (err == nil) != (want != "") {
			t.Errorf("Find(%q) = %+v, %v; want %q", name, k, err, want)
		}
		if want != "" && k.Modules != filepath.Join(filepath.Dir(want), "modules") {
			t.Errorf("Find(%q) has its modules in %s", name, k.Modules)
		}
	}
}

// TestUnsigned: only a signature that is there is taken away.
func TestUnsigned(t *testing.T) {
	sealed := func(length byte) []byte {
		return append([]byte("module"+"sig"+"\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00"+string(length)), signed...)
	}
	for _, test := range []struct{ in, want []byte }{
		{sealed(3), []byte("module")},
		{sealed(200), sealed(200)},
		{[]byte("module"), []byte("module")},
		{[]byte(signed), []byte(signed)},
		{nil, nil},
	} {
		if got := unsigned(test.in); !bytes.Equal(got, test.want) {
			t.Errorf("unsigned(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

// TestAgain: an exception in an emulated kernel is started again, and a panic that
// somebody asked for is not.
func TestAgain(t *testing.T) {
	for text, want := range map[string]bool{
		"Oops: double fault: 0000 [#1] PREEMPT SMP":               true,
		"traps: PANIC\r\n[ 2.0] double fault: 0000 [#1] PREEMPT":  true,
		"int3: 0000 [#1] PREEMPT":                                 true,
		"sysrq: Trigger a crash\nKernel panic - not syncing: x":   false,
		"Kernel panic - not syncing: Attempted to kill init!":     false,
		"oom-kill: Memory cgroup out of memory: Killed process 1": false,
	} {
		if got := oopsLine.MatchString(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestKept: the files of a machine that failed stay, in place of those before, and
// those of every other are removed.
func TestKept(t *testing.T) {
	m := Machine{Keep: filepath.Join(t.TempDir(), "cache", "failed")}
	for _, text := range []string{"first", "second"} {
		dir, err := m.directory()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(partsIn(dir).console, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		failure := &Failure{Command: "qemu -initrd " + partsIn(dir).initrd}
		if err := m.leave(dir, failure); !errors.Is(err, failure) || failure.Command != "qemu -initrd "+partsIn(m.Keep).initrd {
			t.Errorf("%v, %+v", err, failure)
		}
		if data, err := os.ReadFile(partsIn(m.Keep).console); string(data) != text {
			t.Errorf("kept %q (%v), want %q", data, err, text)
		}
	}
	dir, err := m.directory()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.leave(dir, nil); err != nil || exists(dir) {
		t.Errorf("a machine that came to its end left %s (%v)", dir, err)
	}
}
