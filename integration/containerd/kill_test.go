package containerd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// rounds is how often something random is done: few times, unless
// SAFE_RUN_SHIM_ROUNDS says more.
func rounds(few int) int {
	if n, err := strconv.Atoi(os.Getenv("SAFE_RUN_SHIM_ROUNDS")); err == nil {
		return n
	}
	return few
}

// TestKills: the shim, containerd, or both are killed at a random moment of a
// container's life. Containers whose shim lives go on; of the others nothing is
// left, and containerd says that they have ended.
func TestKills(t *testing.T) {
	e := newEngine(t, "")
	for i := range rounds(9) {
		id := fmt.Sprint("c", i)
		victims := []string{"shim", "containerd", "both"}[i%3]
		done := make(chan struct{})
		go func() {
			defer close(done)
			e.ctr(append(e.plain("-d"), e.rootfs(), id, "/bin/sleep", "1000")...)
		}()
		after := time.Duration(rand.IntN(150)) * time.Millisecond
		time.Sleep(after)
		if victims != "containerd" {
			for _, pid := range e.shims() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if victims != "shim" {
			e.kill()
		}
		<-done
		if victims != "shim" {
			e.start()
		}
		e.gone(id, fmt.Sprintf("round %d: %s killed after %s", i, victims, after))
	}
}

// gone removes what is left of a container as its client would, and waits until
// no process of it runs.
func (e *engine) gone(id, what string) {
	e.t.Helper()
	e.eventually(what+": it can be removed", func() bool {
		e.ctr("task", "kill", "-s", "KILL", id)
		e.ctr("task", "rm", "-f", id)
		_, tasks := e.ctr("task", "ls", "-q")
		if strings.Contains(tasks, id) {
			return false
		}
		e.ctr("container", "rm", id)
		_, containers := e.ctr("container", "ls", "-q")
		return !strings.Contains(containers, id)
	})
	e.eventually(what+": nothing of it is left", func() bool {
		return len(e.shims()) == 0 && len(e.mounts()) == 0 && len(e.bundles()) == 0
	})
}

// TestRestart: containerd is killed and comes back: the container has run on, its
// exec works, its end and exit code are told.
func TestRestart(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sh", "-c", "trap 'exit 33' TERM; while :; do sleep 0.1; done")...)
	before := e.pid("c")
	e.kill()
	e.start()
	if after := e.pid("c"); after != before {
		t.Errorf("process %s before, %s after", before, after)
	}
	if code, out := e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/sh", "-c", "exit 7"); code != 7 {
		t.Errorf("exit %d: %s", code, out)
	}
	e.must("task", "kill", "-s", "TERM", "c")
	e.eventually("it is stopped", func() bool { return e.status("c") == "STOPPED" })
	if code, out := e.ctr("task", "rm", "c"); code != 33 && !strings.Contains(out, "exit code 33") {
		t.Errorf("exit %d: %s", code, out)
	}
	e.must("container", "rm", "c")
}

// TestMany: containers started many at a time: none fails, nothing is left.
func TestMany(t *testing.T) {
	e := newEngine(t, "")
	total, width := rounds(32), 16
	e.rootfs()
	config := e.plain("--rm")
	turn, failed := make(chan int), sync.WaitGroup{}
	for range width {
		failed.Go(func() {
			for i := range turn {
				args := append(append([]string{}, config...), e.dir+"/rootfs", fmt.Sprint("m", i), "/bin/sh", "-c", fmt.Sprintf("echo %d; exit %d", i, i%100))
				if code, out := e.ctr(args...); code != i%100 || strings.TrimSpace(out) != strconv.Itoa(i) {
					t.Errorf("container %d: exit %d: %s", i, code, out)
				}
			}
		})
	}
	for i := range total {
		turn <- i
	}
	close(turn)
	failed.Wait()
}

// TestFullFifo: the reader of a container's output goes away. The container
// waits and can be killed, and another container is not held up.
func TestFullFifo(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/yes")...) // ctr leaves, and nobody reads
	e.must(append(e.plain("--rm"), e.rootfs(), "other", "/bin/true")...)
	e.remove("c")
}

// TestVanishedBundle: its files are gone; the container can be killed and
// removed.
func TestVanishedBundle(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sleep", "1000")...)
	bundle := e.bundles()[0]
	for _, name := range []string{"saferun", "config.json"} {
		must(t, os.RemoveAll(bundle+"/"+name))
	}
	e.remove("c")
}
