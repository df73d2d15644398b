package runc

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// sleeper is a process in namespaces of its own, without a filter, so that what
// refuses is the sysctl alone.
func sleeper(t *testing.T, flags uintptr) int {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED: sysctls inside namespaces need root")
	}
	cmd := exec.Command("sleep", "120")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&syscall.CLONE_NEWUSER != 0 {
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 1 << 24, Size: 65536}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = ids, ids
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// among runs a command in the namespaces of a process.
func among(pid int, command ...string) (string, error) {
	args := append([]string{"-t", strconv.Itoa(pid), "-U", "-p", "--"}, command...)
	out, err := exec.Command("nsenter", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func hostValue(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("NOT CHECKED: %v", err)
	}
	return string(data)
}

func TestWriteInside(t *testing.T) {
	const path = "/proc/sys/user/max_user_namespaces"
	pid := sleeper(t, syscall.CLONE_NEWUSER|syscall.CLONE_NEWPID)
	before := hostValue(t, path)
	if out, err := among(pid, "unshare", "-U", "true"); err != nil {
		t.Fatalf("before anything was written: %v: %s", err, out)
	}
	if err := writeInside(pid, map[string]string{"user.max_user_namespaces": "0"}, ownedProcfs(t)); err != nil {
		t.Fatal(err)
	}
	if out, err := among(pid, "unshare", "-U", "true"); err == nil || !strings.Contains(out, "No space left") {
		t.Errorf("a user namespace inside: %v: %q, want no space", err, out)
	}
	if after := hostValue(t, path); after != before {
		t.Errorf("the host's own limit was %q and is %q", before, after)
	}
}

func TestWriteInsidePid(t *testing.T) {
	const path = "/proc/sys/vm/memfd_noexec"
	before := hostValue(t, path)
	pid := sleeper(t, syscall.CLONE_NEWUSER|syscall.CLONE_NEWPID)
	if err := writeInside(pid, map[string]string{"vm.memfd_noexec": "2"}, ownedProcfs(t)); err != nil {
		t.Fatal(err)
	}
	if got, err := among(pid, "cat", path); err != nil || got != "2" {
		t.Errorf("inside it is %q, %v", got, err)
	}
	if after := hostValue(t, path); after != before {
		t.Errorf("the host's was %q and is %q", before, after)
	}
}

// TestWriteInsideNotTheHost: a namespace that is shared is not written to.
func TestWriteInsideNotTheHost(t *testing.T) {
	pid := sleeper(t, syscall.CLONE_NEWPID)
	err := writeInside(pid, map[string]string{"user.max_user_namespaces": "0"}, ownedProcfs(t))
	if err == nil || !strings.Contains(err.Error(), "with the host") {
		t.Errorf("got %v", err)
	}
}

func TestWriteInsideFails(t *testing.T) {
	pid := sleeper(t, syscall.CLONE_NEWUSER|syscall.CLONE_NEWPID)
	for key, value := range map[string]string{"user.no_such_thing": "0", "user.max_user_namespaces": "many"} {
		if err := writeInside(pid, map[string]string{key: value}, ownedProcfs(t)); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
	if err := writeInside(pid, nil, nil); err != nil {
		t.Error(err)
	}
}

func ownedProcfs(t *testing.T) *ownProcfs {
	t.Helper()
	proc := beginProcfs()
	t.Cleanup(proc.close)
	return proc
}

// TestOwnProcfs: what is looked up there leaves nothing in the host's /proc.
func TestOwnProcfs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED: a proc file system of its own needs root")
	}
	var first, second, host syscall.Stat_t
	for _, st := range []*syscall.Stat_t{&first, &second} {
		root, err := ownedProcfs(t).root()
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Fstat(int(root.Fd()), st); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Stat("/proc", &host); err != nil {
		t.Fatal(err)
	}
	if first.Dev == host.Dev || first.Dev == second.Dev {
		t.Errorf("devices %d and %d, the host's %d: one is shared", first.Dev, second.Dev, host.Dev)
	}
}
