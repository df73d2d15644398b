package containerd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unconfined is a configuration without a profile, for what is not about policy.
const unconfined = "apiVersion: safe-run.dev/v1\nkind: Shim\nprofile: none\n"

// plain is the run of an unconfined container with busybox as its root.
func (e *engine) plain(flags ...string) []string {
	return e.run(append([]string{"--runtime-config-path", e.write("shim.yaml", unconfined)}, flags...)...)
}

// TestLife: a container through all that ctr can ask.
func TestLife(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sleep", "1000")...)
	if got := e.status("c"); got != "RUNNING" {
		t.Errorf("it is %s", got)
	}
	e.must("task", "pause", "c")
	if got := e.status("c"); got != "PAUSED" {
		t.Errorf("it is %s", got)
	}
	e.must("task", "resume", "c")
	if out := e.must("task", "metrics", "c"); !regexp.MustCompile(`pids.current +1\b`).MatchString(out) || !strings.Contains(out, "memory") {
		t.Errorf("metrics:\n%s", out)
	}
	if out := e.must("task", "ps", "c"); strings.Count(out, "\n") != 2 {
		t.Errorf("processes:\n%s", out)
	}
	if code, out := e.ctr("task", "rm", "c"); code == 0 {
		t.Errorf("a running task was removed: %s", out)
	}
	if code, out := e.ctr("task", "checkpoint", "c"); code == 0 || !strings.Contains(out, "checkpoints are unsupported") {
		t.Errorf("checkpoint: %d, %s", code, out)
	}
	e.must("task", "kill", "-s", "KILL", "c")
	e.eventually("it is stopped", func() bool { return e.status("c") == "STOPPED" })
	if code, out := e.ctr("task", "kill", "c"); code == 0 || !strings.Contains(out, "process already finished: not found") {
		t.Errorf("a signal to who has ended: %d, %s", code, out)
	}
	e.ctr("task", "rm", "c")
	e.must("container", "rm", "c")
}

// TestSnapshot: an image that is unpacked is mounted, and unmounted.
func TestSnapshot(t *testing.T) {
	e := newEngine(t, "")
	name := e.image("busybox")
	code, out := e.ctr("run", "--rm", "--runtime", shimBin, "--runtime-config-path", e.write("shim.yaml", unconfined), name, "c", "/bin/sh", "-c", "echo from an image > /x && cat /x")
	if code != 0 || out != "from an image\n" {
		t.Errorf("exit %d: %s", code, out)
	}
	e.must("image", "rm", name)
}

// TestExitCodes are exact, and so is what a program that is not there says.
func TestExitCodes(t *testing.T) {
	e := newEngine(t, "")
	for i, c := range []struct {
		script string
		code   int
	}{
		{"true", 0}, {"exit 1", 1}, {"exit 42", 42}, {"exit 255", 255}, {"sleep 1000 & kill -9 $!; wait $!", 137}, {"(trap - TERM; kill -TERM $$); sleep 0; exit 3", 3},
	} {
		if code, out := e.ctr(append(e.plain("--rm"), e.rootfs(), fmt.Sprint("c", i), "/bin/sh", "-c", c.script)...); code != c.code {
			t.Errorf("%s: exit %d, want %d: %s", c.script, code, c.code, out)
		}
	}
	code, out := e.ctr(append(e.plain("--rm"), e.rootfs(), "none", "/bin/none")...)
	if code == 0 || !strings.Contains(out, `exec: "/bin/none": stat /bin/none: no such file or directory`) {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestExec: further programs, their exit codes, one that is not there, and a
// hundred without a descriptor left in the shim.
func TestExec(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sleep", "1000")...)
	if code, out := e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/sh", "-c", "echo out; echo err >&2; exit 7"); code != 7 || !strings.Contains(out, "out\n") || !strings.Contains(out, "err\n") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out := e.ctr("task", "exec", "--exec-id", "b", "c", "/bin/none"); code == 0 || !strings.Contains(out, "no such file or directory") {
		t.Errorf("exit %d: %s", code, out)
	}
	storm := func(n int) {
		for i := range n {
			program := []string{"/bin/true", "/bin/none"}[i%2]
			e.ctr("task", "exec", "--exec-id", fmt.Sprint("s", i), "c", program)
		}
	}
	storm(4)
	before := e.descriptors()
	storm(20)
	// containerd's connections come and go.
	e.eventually(fmt.Sprintf("no more descriptors than %d, but %d", before+2, e.descriptors()), func() bool { return e.descriptors() <= before+2 })
	e.remove("c")
}

// remove ends a container.
func (e *engine) remove(id string) {
	e.t.Helper()
	e.ctr("task", "kill", "-s", "KILL", id)
	e.eventually(id+" is stopped", func() bool { return !slices.Contains([]string{"RUNNING", "CREATED"}, e.status(id)) })
	e.ctr("task", "rm", id)
	e.must("container", "rm", id)
}

// descriptors are those of all shims.
func (e *engine) descriptors() (n int) {
	for _, pid := range e.shims() {
		open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		n += len(open)
	}
	return n
}

// TestTerminal: a program has one, its size is what it was told, and its output
// comes.
func TestTerminal(t *testing.T) {
	e := newEngine(t, "")
	line := strings.Join(append([]string{filepath.Join(tools, "ctr"), "-a", e.dir + "/s", "-n", e.namespace},
		append(e.plain("--rm", "-t"), e.rootfs(), "c", "/bin/sh", "-c", `"tty; until stty size 2>&1 | grep '33 77'; do sleep 0.1; done; exit 5"`)...), " ")
	cmd := exec.Command("script", "-qefc", "stty rows 33 cols 77; "+line, "/dev/null")
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 5 || !strings.Contains(string(out), "/dev/pts/0") || !strings.Contains(string(out), "33 77") {
		t.Errorf("%v: %s", cmd.ProcessState, out)
	}
}

// TestStdio: fifos, a file, and a program for logs.
func TestStdio(t *testing.T) {
	e := newEngine(t, "")
	t.Run("fifo", func(t *testing.T) {
		code, out := e.ctr(append(e.plain("--rm"), e.rootfs(), "big", "/bin/sh", "-c", "yes 0123456789abcdef | head -n 100000")...)
		if code != 0 || len(out) != 1700000 {
			t.Errorf("exit %d, %d bytes", code, len(out))
		}
	})
	t.Run("file", func(t *testing.T) {
		log := filepath.Join(e.dir, "logs", "file")
		e.must(append(e.plain("-d", "--log-uri", "file://"+log), e.rootfs(), "f", "/bin/sh", "-c", "echo out; echo err >&2; sleep 1000")...)
		e.eventually("both lines are there", func() bool {
			text, _ := os.ReadFile(log)
			return strings.Contains(string(text), "out\n") && strings.Contains(string(text), "err\n")
		})
		e.remove("f")
	})
	t.Run("binary", func(t *testing.T) {
		log := filepath.Join(e.dir, "logs", "binary")
		logger := e.write("logger", "#!/bin/sh\nexec 5>&-\ncat <&3 > $2.out &\ncat <&4 > $2.err\necho $CONTAINER_NAMESPACE/$CONTAINER_ID > $2.who\nwait\n")
		must(t, os.Chmod(logger, 0o755))
		e.must(append(e.plain("-d", "--log-uri", "binary://"+logger+"?to="+log), e.rootfs(), "b", "/bin/sh", "-c", "echo out; echo err >&2")...)
		e.eventually("each has its own", func() bool {
			out, _ := os.ReadFile(log + ".out")
			err, _ := os.ReadFile(log + ".err")
			who, _ := os.ReadFile(log + ".who")
			return string(out) == "out\n" && string(err) == "err\n" && string(who) == e.namespace+"/b\n"
		})
		e.remove("b")
	})
}

// TestEvents: what is told, and in which order.
func TestEvents(t *testing.T) {
	e := newEngine(t, "")
	heard, err := os.Create(filepath.Join(e.dir, "events"))
	must(t, err)
	listener := exec.Command(filepath.Join(tools, "ctr"), "-a", e.dir+"/s", "-n", e.namespace, "events")
	listener.Stdout = heard
	must(t, listener.Start())
	topics := func() []string {
		text, _ := os.ReadFile(heard.Name())
		var out []string
		for _, m := range regexp.MustCompile(`(?m) /tasks/(\S+)( .*"exit_status":\d+)?`).FindAllStringSubmatch(string(text), -1) {
			code := regexp.MustCompile(`"exit_status":\d+`).FindString(m[2])
			out = append(out, strings.TrimSpace(m[1]+" "+strings.TrimPrefix(code, `"exit_status":`)))
		}
		return out
	}
	e.eventually("the listener hears", func() bool {
		e.ctr("namespace", "label", e.namespace, fmt.Sprint("l", serial.Add(1), "=x"))
		text, _ := os.ReadFile(heard.Name())
		return len(text) > 0
	})
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sleep", "1000")...)
	e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/sh", "-c", "exit 7")
	e.must("task", "pause", "c")
	e.must("task", "resume", "c")
	e.remove("c")
	want := []string{"create", "start", "exec-added", "exec-started", "exit 7", "paused", "resumed", "exit 137", "delete 137"}
	e.eventually(fmt.Sprintf("%q was heard", want), func() bool { return len(topics()) >= len(want) })
	if got := topics(); !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
	_ = listener.Process.Kill()
	_ = listener.Wait()
}
