package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rows are the victim's containers in ps.
type rows []seen

// command is safe-run, about to be started on the victim; supervisors inherit
// the environment, and are known by it.
func (v *victim) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := v.launch(t, args...)
	cmd.Env = append(cmd.Env, "VICTIM="+v.mark)
	return cmd
}

func (v *victim) must(t *testing.T, args ...string) {
	t.Helper()
	if got := finish(t, v.command(t, args...)); got.code != 0 {
		t.Fatalf("safe-run %q: exit code %d\n%s%s", args, got.code, got.out, got.err)
	}
}

// supervisors finds the victim's supervisors, from their first moment on.
func (v *victim) supervisors() (pids []int) {
	for _, pid := range supervisors(v.yard) {
		if env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); bytes.Contains(env, []byte("VICTIM="+v.mark)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// rows gives what ps says of the container, under either of its names.
func (v *victim) rows(t *testing.T) (found rows) {
	t.Helper()
	got := v.run(t, "ps", "-a", "--format", "json")
	var all rows
	if err := json.Unmarshal([]byte(got.out), &all); err != nil || got.code != 0 {
		t.Errorf("ps: exit code %d, %v\n%s%s", got.code, err, got.out, got.err)
	}
	for _, s := range all {
		if s.Name == v.name || s.Name == v.name+"-b" || strings.Contains(s.Command, v.mark) {
			found = append(found, s)
		}
	}
	return found
}

// active are those that are said to have a process.
func (r rows) active() rows {
	return slices.DeleteFunc(slices.Clone(r), func(s seen) bool { return s.Status != "running" && s.Status != "paused" })
}

// supervised says whether somebody holds the lock of a container, as the kernel
// lists it.
func (v *victim) supervised(id string) bool {
	info, err := os.Stat(filepath.Join(v.ledger, id, "lock"))
	if err != nil {
		return false
	}
	locks, _ := os.ReadFile("/proc/locks")
	return bytes.Contains(locks, []byte(fmt.Sprintf(":%d 0 0\n", info.Sys().(*syscall.Stat_t).Ino)))
}

// collect has gc clean up, and looks for what it should not have left; then the
// name is used again.
func (v *victim) collect(t *testing.T, what string) {
	t.Helper()
	got := v.run(t, "gc")
	if got.code != 0 {
		t.Errorf("%s: gc: exit code %d\n%s", what, got.code, got.err)
	}
	for _, row := range v.rows(t) {
		if row.Damage != "" {
			t.Errorf("%s: left damaged: %+v", what, row)
		}
		if got := v.run(t, "rm", "-f", row.ID); got.code != 0 {
			t.Errorf("%s: rm -f: exit code %d\n%s", what, got.code, got.err)
		}
	}
	for _, name := range []string{v.name, v.name + "-b"} {
		if _, err := os.Lstat(filepath.Join(v.ledger, "names", name)); err == nil {
			t.Errorf("%s: the name %s is still taken", what, name)
		}
	}
	// A supervisor lets go of the container before it ends itself.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := append(processesWith(v.mark), v.supervisors()...)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("%s: still there: %v", what, left)
			break
		}
	}
}

// processesWith finds the processes that have an argument, on their way to the
// program or there, but not launchers.
func processesWith(mark string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if args := argumentsOf(pid); args == "sleep\x00"+mark+"\x00" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// orphaned says whether one of them is a child of a process that was killed, or
// has lost its parent.
func orphaned(pids []int, killed int) bool {
	for _, pid := range pids {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if len(fields) > 1 && fields[0] != "Z" && (fields[1] == strconv.Itoa(killed) || fields[1] == "1") {
			return true
		}
	}
	return false
}

// argumentsOf is the command line of a process.
func argumentsOf(pid int) string {
	args, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return string(args)
}
