package containerd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPausedExec: nothing is started in a paused container, and nothing hangs
// because of who tried.
func TestPausedExec(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sleep", "1000")...)
	e.must("task", "pause", "c")
	if code, out := e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/true"); code == 0 || !strings.Contains(out, "cannot exec in a paused container") {
		t.Errorf("exit %d: %s", code, out)
	}
	e.must("task", "resume", "c")
	if code, out := e.ctr("task", "exec", "--exec-id", "b", "c", "/bin/sh", "-c", "exit 7"); code != 7 {
		t.Errorf("exit %d: %s", code, out)
	}
	e.must("task", "pause", "c")
	e.must("task", "kill", "-s", "KILL", "c")
	e.eventually("a paused container is killed", func() bool { return e.status("c") == "STOPPED" })
	e.remove("c")
}

// TestStoppedJoiner: a container that stops whoever joins it before his program
// runs is killed all the same.
func TestStoppedJoiner(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sh", "-c", "while :; do kill -STOP -1; done 2>/dev/null")...)
	var execs sync.WaitGroup
	stopped := false
	for i, deadline := 0, time.Now().Add(patience/2); i < 40 && !stopped && time.Now().Before(deadline); i++ {
		before, _ := e.stopped()
		ended := make(chan bool)
		execs.Go(func() {
			e.ctr("task", "exec", "--exec-id", fmt.Sprint("s", i), "c", "/bin/true")
			close(ended)
		})
		for all, waiting := before, true; waiting && all == before && !stopped && time.Now().Before(deadline); all, stopped = e.stopped() {
			select {
			case <-ended:
				waiting = false
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	if !stopped {
		t.Log("NOT CHECKED: nobody was stopped before his program ran")
	}
	e.must("task", "kill", "-s", "KILL", "c")
	e.eventually("it is stopped", func() bool { return e.status("c") == "STOPPED" })
	execs.Wait()
	e.remove("c")
}

// stopped are the shims' children that are stopped, and whether one of them is
// libcontainer's, before its program.
func (e *engine) stopped() (all int, joining bool) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, pid := range e.shims() {
		for _, name := range stats {
			text, _ := os.ReadFile(name)
			_, rest, _ := strings.Cut(string(text), "(")
			comm, fields, _ := strings.Cut(rest, ") ")
			if strings.HasPrefix(fields, fmt.Sprintf("T %d ", pid)) {
				all++
				joining = joining || strings.HasPrefix(comm, "runc:[")
			}
		}
	}
	return all, joining
}

// TestSharedPids: a container in the pid namespace of another is killed with all
// that it started, and the other goes on.
func TestSharedPids(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sleep", "1000")...)
	e.must(append(e.plain("-d", "--with-ns", "pid:/proc/"+e.pid("c")+"/ns/pid"), e.rootfs(), "f", "/bin/sh", "-c", "sleep 1001 & sleep 1001")...)
	e.must("task", "kill", "-s", "KILL", "f")
	e.eventually("it is stopped", func() bool { return e.status("f") == "STOPPED" })
	if out := e.must("task", "exec", "--exec-id", "a", "c", "/bin/ps"); strings.Contains(out, "1001") || !strings.Contains(out, "1000") {
		t.Errorf("processes:\n%s", out)
	}
	e.remove("f")
	e.remove("c")
}

// TestTakenGroup: a container that is not made, because its control group is
// another's, takes nothing from the other.
func TestTakenGroup(t *testing.T) {
	e := newEngine(t, "")
	group := "/" + e.namespace + "/g"
	e.must(append(e.plain("-d", "--cgroup", group), e.rootfs(), "c", "/bin/sleep", "1000")...)
	if code, out := e.ctr(append(e.plain("-d", "--cgroup", group), e.rootfs(), "f", "/bin/sleep", "1000")...); code == 0 || !strings.Contains(out, "cgroup is not empty") {
		t.Errorf("exit %d: %s", code, out)
	}
	e.eventually("its shim has gone", func() bool { return len(e.shims()) == 1 })
	if got := e.status("c"); got != "RUNNING" {
		t.Errorf("the other is %s", got)
	}
	e.ctr("container", "rm", "f")
	e.remove("c")
}
