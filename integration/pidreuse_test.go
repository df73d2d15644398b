package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stranger is a process of the host that has nothing to do with containers.
type stranger struct {
	cmd   *exec.Cmd
	start uint64
}

func newStranger(t *testing.T) stranger {
	t.Helper()
	s := stranger{cmd: exec.Command("sleep", "300")}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	s.start = startOf(t, s.cmd.Process.Pid)
	return s
}

// startOf is field 22 of /proc/PID/stat.
func startOf(t *testing.T, pid int) uint64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	start, err := strconv.ParseUint(strings.Fields(text[strings.LastIndexByte(text, ')')+1:])[19], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return start
}

// lives fails the test when something has been done to it.
func (s stranger) lives(t *testing.T, after string) {
	t.Helper()
	pid := s.cmd.Process.Pid
	if commandOf(pid) != "sleep" || !strings.HasPrefix(statusOf(t, pid, "State"), "S") || startOf(t, pid) != s.start {
		t.Fatalf("%s: a process that is no container's was touched", after)
	}
}

// forge changes numbers of a file of JSON that has been written by safe-run.
func forge(t *testing.T, path string, numbers map[string]uint64) {
	t.Helper()
	var record map[string]json.RawMessage
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &record)
	}
	if err != nil {
		t.Fatal(err)
	}
	for key, n := range numbers {
		if record[key] == nil {
			t.Fatalf("%s has no %s", path, key)
		}
		record[key] = json.RawMessage(strconv.FormatUint(n, 10))
	}
	if data, err = json.Marshal(record); err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// runtimeState is what libcontainer wrote down of a container.
func runtimeState(t *testing.T, id string) string {
	t.Helper()
	found, _ := filepath.Glob("/run/safe-run/sandboxes/" + id + "/runtime/" + id + "/state.json")
	if len(found) != 1 {
		t.Fatalf("state.json of %s: %q", id, found)
	}
	return found[0]
}

// TestPidReuse: the numbers in the records of a container whose processes are all
// gone mean somebody else now. Nothing is done to that one, not even when its
// start time is in the records too.
func TestPidReuse(t *testing.T) {
	for _, exact := range []bool{false, true} {
		t.Run(fmt.Sprintf("start time %t", exact), func(t *testing.T) {
			y, s := newYard(t), newStranger(t)
			id := y.detach(t, []string{"--name", "reused"}, "sleep", "300")
			owner := y.supervisorOf(t, id)
			first := y.firstOf(t, id)
			killTree(t, owner, first)
			numbers := func(pid, start string) map[string]uint64 {
				n := map[string]uint64{pid: uint64(s.cmd.Process.Pid)}
				if exact {
					n[start] = s.start
				}
				return n
			}
			forge(t, filepath.Join(y.ledger, id, "state.json"), numbers("pid", "pidStart"))
			forge(t, "/run/safe-run/sandboxes/"+id+"/record.json", numbers("launcher", "launcherStart"))
			forge(t, runtimeState(t, id), numbers("init_process_pid", "init_process_start"))
			for _, verb := range []string{
				"exec reused true", "top reused", "stats --no-stream reused", "inspect reused", "ps -a", "pause reused", "unpause reused",
				"kill -s TERM reused", "kill reused", "stop -t 0 reused", "update --memory 100m reused", "port reused", "logs reused", "wait reused", "gc", "rm -f reused",
			} {
				got := y.run(t, strings.Fields(verb)...)
				s.lives(t, verb)
				if strings.HasPrefix(verb, "exec") && got.code == 0 || strings.Contains(got.out, "sleep 300\n"+strconv.Itoa(s.cmd.Process.Pid)) {
					t.Errorf("%s: exit code %d, %s", verb, got.code, got.out)
				}
			}
			if left := y.see(t, "reused"); left.ID != "" {
				t.Errorf("left: %+v", left)
			}
		})
	}
}

// TestPidReuseForeground: the same of a container of somebody's terminal, of
// which there is a lease only.
func TestPidReuseForeground(t *testing.T) {
	for i, verb := range []string{"stop -t 0 NAME", "kill NAME", "kill -s TERM NAME", "rm -f NAME", "exec NAME true", "wait NAME"} {
		t.Run(verb, func(t *testing.T) {
			y, s := newYard(t), newStranger(t)
			name := fmt.Sprintf("fore-%d-%d", os.Getpid(), i)
			verb := strings.ReplaceAll(verb, "NAME", name)
			cmd := y.launch(t, "--name", name, "dir:"+y.root, "sleep", "300")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			row := y.becomes(t, name, "running")
			var first int
			for deadline := time.Now().Add(30 * time.Second); first == 0; time.Sleep(10 * time.Millisecond) {
				if found := children(cmd.Process.Pid, "sleep"); len(found) > 0 {
					first = found[0]
				}
				if time.Now().After(deadline) {
					t.Fatal("it does not begin")
				}
			}
			killTree(t, cmd.Process.Pid, first)
			_ = cmd.Wait()
			pid := uint64(s.cmd.Process.Pid)
			forge(t, "/run/safe-run/sandboxes/"+row.ID+"/record.json", map[string]uint64{"launcher": pid, "launcherStart": s.start})
			forge(t, runtimeState(t, row.ID), map[string]uint64{"init_process_pid": pid, "init_process_start": s.start})
			y.run(t, strings.Fields(verb)...)
			s.lives(t, verb)
			y.must(t, "gc")
			s.lives(t, "gc")
			if _, err := os.Lstat("/run/safe-run/sandboxes/" + row.ID); err == nil {
				t.Error("gc left it")
			}
		})
	}
}

// firstOf is the first process of a container.
func (y *yard) firstOf(t *testing.T, id string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(y.ledger, id, "state.json"))
	var state struct{ Pid int }
	if err == nil {
		err = json.Unmarshal(data, &state)
	}
	if err != nil || state.Pid == 0 {
		t.Fatalf("%s: %v", data, err)
	}
	return state.Pid
}

// killTree kills a launcher with its warden, so that nobody cleans up, and waits
// until the container has ended with them.
func killTree(t *testing.T, launcher, first int) {
	t.Helper()
	warden := childOf(t, launcher, "safe-run-warden")
	for _, pid := range []int{warden, launcher, first} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	awaitGone(t, first)
}
