package trace

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// unified is the hierarchy of cgroup version 2, alone or beside the others.
func unified(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
			return dir
		}
	}
	t.Skip("NOT CHECKED: what the kernel refuses: there is no unified hierarchy")
	return ""
}

// TestKernel: what a process of one control group is refused is counted with its
// path, and what others are refused is not.
func TestKernel(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED: what the kernel refuses: not root")
	}
	group := filepath.Join(unified(t), "trace-test-"+filepath.Base(t.TempDir())+"-"+strings.TrimPrefix(t.Name(), "Test"))
	if err := os.MkdirAll(filepath.Join(group, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(group)
	defer os.Remove(filepath.Join(group, "below"))
	k, err := WatchKernel(group)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) || pathArguments == nil {
		t.Skip("NOT CHECKED: what the kernel refuses: ", err)
	}
	if err != nil { // a program that the kernel does not take is a mistake in it
		t.Fatal(err)
	}
	defer k.Close()
	run := func(script string) {
		if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	run("echo $$ > " + group + "/below/cgroup.procs && for i in 1 2 3; do mkdir /sys/kernel/peek 2>/dev/null; done; true")
	run("mkdir /sys/kernel/peek 2>/dev/null; true")
	list, lost, err := k.Read()
	if err != nil || lost != 0 {
		t.Fatal(err, lost)
	}
	total := uint64(0)
	for _, r := range list {
		if r.Process != "mkdir" || r.Path != "/sys/kernel/peek" || (r.Errno != syscall.EPERM && r.Errno != syscall.EACCES) || r.Number != syscall.SYS_MKDIR && r.Number != syscall.SYS_MKDIRAT {
			t.Errorf("%+v", r)
		}
		total += r.Count
	}
	if len(list) != 1 || total != 3 {
		t.Errorf("three processes were refused the same, counted are %+v", list)
	}
}

func FuzzRefused(f *testing.F) {
	f.Add(make([]byte, keySize))
	f.Add([]byte(strings.Repeat("\xff", keySize)))
	f.Fuzz(func(t *testing.T, key []byte) {
		if len(key) != keySize {
			return
		}
		if r := refusedOf(key); strings.ContainsRune(r.Path+r.Process, 0) {
			t.Errorf("%+v", r)
		}
	})
}
