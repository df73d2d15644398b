package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

// pooled is a pool that runs, over a root filesystem with a shell.
type pooled struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	said *bytes.Buffer
	safe string
}

func newPool(t *testing.T, size int, flags ...string) *pooled {
	return newPoolNamed(t, fmt.Sprintf("test-%d-%s", os.Getpid(), strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))), append([]string{"-n", strconv.Itoa(size)}, flags...)...)
}

func newPoolNamed(t *testing.T, name string, flags ...string) *pooled {
	needRoot(t)
	before := leaks.Take()
	p := &pooled{t: t, name: name, said: new(bytes.Buffer), safe: built(t).safeRun}
	args := append([]string{"pool", "--name", p.name}, flags...)
	p.cmd = exec.Command(p.safe, append(args, "dir:"+shellRoot(t), "sh", "-c", "echo default")...)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 4096)
	n, _ := out.Read(line)
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
		for _, left := range before.Settled(leaks.Patience) {
			t.Error("the pool left ", left)
		}
	})
	if !strings.Contains(string(line[:n]), "--pool="+p.name) {
		t.Fatalf("the pool said %q and %s", line[:n], p.said)
	}
	return p
}

func (p *pooled) command(args ...string) *exec.Cmd {
	return exec.Command(p.safe, append([]string{"run", "--pool=" + p.name}, args...)...)
}

// run gives what a run wrote, and its exit code.
func (p *pooled) run(args ...string) (out, errs string, code int) {
	p.t.Helper()
	cmd := p.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// prepared is the id of one of its sandboxes; empty while there is none.
func (p *pooled) prepared() string {
	out, err := exec.Command(p.safe, "ps", "--format", "json").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	var rows []struct{ ID, Pool, Command, Status string }
	if err := json.Unmarshal(out, &rows); err != nil {
		p.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Pool == p.name && r.Command == "(prepared)" && r.Status == "running" {
			return r.ID
		}
	}
	return ""
}

// waiting is the first process of one of its prepared sandboxes.
func (p *pooled) waiting() int {
	out, _ := exec.Command(p.safe, "inspect", "--format", "{{.State.Pid}}", p.prepared()).Output()
	pid, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	return pid
}

func TestPool(t *testing.T) {
	p := newPool(t, 2)
	t.Setenv("SAFE_RUN_TEST_PASSED", "on")
	for _, c := range []struct {
		args      []string
		out, errs string
		code      int
	}{
		{nil, "default\n", "", 0},
		{[]string{"echo", "one"}, "one\n", "", 0},
		{[]string{"-e", "A=1", "-e", "SAFE_RUN_TEST_PASSED", "-w", "/tmp", "sh", "-c", "echo $A $SAFE_RUN_TEST_PASSED; pwd"}, "1 on\n/tmp\n", "", 0},
		{[]string{"sh", "-c", "echo $SAFE_RUN_TEST_PASSED; exit 7"}, "\n", "", 7},
		{[]string{"sh", "-c", "(sh -c 'kill -9 $$'; exit $?) 2>/dev/null"}, "", "", 137},
		{[]string{"nothere"}, "", `cannot run "nothere": no such file`, 127},
		{[]string{"/etc"}, "", `cannot run "/etc"`, 126},
		{[]string{"-w", "/nothere", "true"}, "", "no such file", 127},
		{[]string{"-m", "5m", "true"}, "", "--memory: a prepared sandbox is what its pool has made it", 125},
		{[]string{"-t", "true"}, "", "--tty: a prepared", 125},
		{[]string{"--nothere", "true"}, "", "there is no flag --nothere", 125},
		{[]string{"cat"}, "", "", 0}, // nothing to read
	} {
		out, errs, code := p.run(c.args...)
		if out != c.out || code != c.code || !strings.Contains(errs, c.errs) || c.errs == "" && errs != "" {
			t.Errorf("%q: %q, %q and %d; want %q, %q and %d", c.args, out, errs, code, c.out, c.errs, c.code)
		}
	}
	elsewhere := exec.Command(p.safe, "run", "-e", "A=2", "--pool", p.name, "sh", "-c", "echo $A")
	if out, err := elsewhere.CombinedOutput(); string(out) != "2\n" || err != nil {
		t.Errorf("--pool that is not the first flag: %q, %v", out, err)
	}
}

// Nothing of one run is there in the next, and what it started is gone.
func TestPoolIsUsedOnce(t *testing.T) {
	p := newPool(t, 1)
	const look = "ls /tmp /dev/shm /run; cat /proc/sys/kernel/hostname; ls /proc | grep -c '^[0-9]'; echo $$"
	first, _, _ := p.run("sh", "-c", "touch /tmp/mine /dev/shm/mine /run/mine; sleep 1000 & "+look)
	second, _, _ := p.run("sh", "-c", look)
	if strings.Count(first, "mine") != 3 || strings.Contains(second, "mine") {
		t.Errorf("first:\n%s\nsecond:\n%s", first, second)
	}
	names := func(out string) string { lines := strings.Split(out, "\n"); return lines[len(lines)-4] }
	if names(first) == names(second) || !strings.HasSuffix(second, "\n1\n") {
		t.Errorf("one sandbox was used twice, or the program is not its first process:\n%s\n%s", first, second)
	}
}

// A prepared sandbox confines as one that is made for its run.
func TestPoolConfines(t *testing.T) {
	p := newPool(t, 1)
	const look = "grep -E '^(Uid|Gid|Groups|Cap|NoNew|Seccomp|SigBlk|SigIgn)' /proc/self/status; cut -d' ' -f4- /proc/self/mountinfo | grep -v safe-run-prepared | sed 's/size=[^,]*//; s/ 0x[0-9a-f]*//'; ls /proc/self/fd; ulimit -a; cat /proc/self/oom_score_adj"
	pool, _, _ := p.run("sh", "-c", look)
	plain, err := exec.Command(p.safe, "run", "dir:"+shellRoot(t), "sh", "-c", look).Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := wordsOf(string(plain)), wordsOf(pool)
	if theirs != ours || !strings.Contains(ours, "Seccomp: 2") {
		t.Errorf("a run of its own:\n%s\na run of the pool:\n%s", theirs, ours)
	}
}

// ownID is an id of one sandbox, as the host numbers it.
var ownID = regexp.MustCompile(`\b[ug]id=\d+`)

// wordsOf leaves out what differs between two sandboxes.
func wordsOf(out string) string {
	out = ownID.ReplaceAllString(out, "id=")
	var lines []string
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		for i, f := range fields {
			if strings.HasPrefix(f, "/run/safe-run") || strings.Contains(f, "lowerdir") || strings.Contains(f, "master:") || strings.Contains(f, "mode=") {
				fields[i] = "-"
			}
		}
		lines = append(lines, strings.Join(fields, " "))
	}
	return strings.Join(lines, "\n")
}

func TestPoolStreams(t *testing.T) {
	p := newPool(t, 1)
	cmd := p.command("-i", "sh", "-c", "cat; echo errors >&2")
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &errs
	if err := cmd.Run(); err != nil || !bytes.Equal(out.Bytes(), data) || errs.String() != "errors\n" {
		t.Errorf("%v; %d bytes of %d, errors %q", err, out.Len(), len(data), errs.String())
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	cmd, errs = p.command("echo", "lost"), bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = full, &errs
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 125 || !strings.Contains(errs.String(), "could not be passed on") {
		t.Errorf("output to a full disk: exit %d, %q", code, errs.String())
	}
}

// What runs ends with who has asked for it, and gets its signals.
func TestPoolCallerEnds(t *testing.T) {
	p := newPool(t, 1)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		cmd := p.command("sh", "-c", "trap 'echo asked; exit 3' TERM; sleep 31.4159 & echo begun; wait")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 64)
		n, _ := out.Read(line)
		if string(line[:n]) != "begun\n" {
			t.Fatalf("%q", line[:n])
		}
		until(t, func() bool { return len(processesWith("31.4159")) == 1 })
		_ = cmd.Process.Signal(sig)
		n, _ = out.Read(line)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); sig == syscall.SIGTERM && (code != 3 || string(line[:n]) != "asked\n") {
			t.Errorf("SIGTERM: exit %d, %q", code, line[:n])
		}
		until(t, func() bool { return len(processesWith("31.4159")) == 0 })
	}
}

// A sandbox that somebody has killed is replaced; a pool that is killed leaves
// nothing, and says so to who runs something in it.
func TestPoolKilled(t *testing.T) {
	p := newPool(t, 1)
	var first int
	until(t, func() bool { first = p.waiting(); return first > 0 })
	_ = syscall.Kill(first, syscall.SIGKILL)
	until(t, func() bool { now := p.waiting(); return now > 0 && now != first })
	if out, _, code := p.run("echo", "replaced"); out != "replaced\n" || code != 0 {
		t.Errorf("%q, %d", out, code)
	}
	cmd := p.command("sh", "-c", "echo begun; sleep 1000")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	_, _ = out.Read(line)
	_ = p.cmd.Process.Kill()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 125 || !strings.Contains(errs.String(), "the pool has ended") {
		t.Errorf("the caller of a pool that was killed: exit %d, %q", code, errs.String())
	}
	socket := filepath.Join("/run/safe-run/pools", p.name)
	other := newPoolNamed(t, "other-"+p.name, "-n", "1")
	swept, err := exec.Command(p.safe, "gc").CombinedOutput()
	if err != nil || !strings.Contains(string(swept), "removed pool "+p.name+"\n") || strings.Contains(string(swept), other.name) {
		t.Errorf("gc: %v: %s", err, swept)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("gc leaves %s: %v", socket, err)
	}
	if out, _, code := other.run("echo", "there"); out != "there\n" || code != 0 {
		t.Errorf("the pool that lives, after gc: %q, %d", out, code)
	}
}

// Who holds the pipe that a container wrote into does not keep the caller: when
// the container has ended, nothing more is said in its name.
func TestPoolOutputHeld(t *testing.T) {
	p := newPool(t, 1)
	cmd := p.command("sleep", "14.14213")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var running []int
	until(t, func() bool { running = processesWith("14.14213"); return len(running) == 1 })
	held, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", running[0]), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	_ = syscall.Kill(running[0], syscall.SIGKILL)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		held.Close()
		<-ended
		t.Error("the caller waits for who holds the pipe")
	}
	if code := cmd.ProcessState.ExitCode(); code != 137 || out.Len() != 0 {
		t.Errorf("exit %d, output %q", code, out.String())
	}
}

// What is refused is told, and what is started in it is held to the same.
func TestPoolDenials(t *testing.T) {
	needTracer(t)
	p := newPool(t, 1)
	_, errs, code := p.run("busybox", "unshare", "-U", "true")
	if code == 0 || !strings.Contains(errs, "denied by seccomp: unshare") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// A pool's process is not ended by who means one of its sandboxes.
func TestPoolIsNotStopped(t *testing.T) {
	p := newPool(t, 1)
	var id string
	until(t, func() bool { id = p.prepared(); return id != "" })
	for _, verb := range []string{"stop", "kill"} {
		out, err := exec.Command(p.safe, verb, id).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "belongs to pool "+p.name) {
			t.Errorf("%s: %v, %s", verb, err, out)
		}
	}
	time.Sleep(10 * time.Millisecond)
	if out, _, code := p.run("echo", "still"); out != "still\n" || code != 0 {
		t.Errorf("%q, %d", out, code)
	}
}

// A descriptor that the caller has closed is nobody's.
func TestPoolClosedStreams(t *testing.T) {
	p := newPool(t, 1)
	for _, closed := range []string{"<&-", ">&-", "2>&-", "<&- >&- 2>&-"} {
		sh := exec.Command("sh", "-c", `"$0" run --pool=`+p.name+` -i sh -c 'cat; printf "\t\017"; printf "\t\017" >&2; exit 7' `+closed, p.safe)
		sh.Stdin, sh.Stdout, sh.Stderr = strings.NewReader("x"), new(bytes.Buffer), new(bytes.Buffer)
		if _ = sh.Run(); sh.ProcessState.ExitCode() != 7 {
			t.Errorf("%s: exit %d, %s", closed, sh.ProcessState.ExitCode(), sh.Stderr)
		}
	}
}

// Who goes away, or is told to end, while there is no sandbox waits no longer, and
// takes none from others.
func TestPoolCallerWaits(t *testing.T) {
	p := newPool(t, 1)
	holds := p.command("sleep", "27.1828")
	if err := holds.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return len(processesWith("27.1828")) == 1 })
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // nothing is prepared meanwhile
	waits := p.command("echo", "late")
	var out bytes.Buffer
	waits.Stdout = &out
	if err := waits.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	_ = waits.Process.Kill()
	_ = waits.Wait()
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	if got, _, code := p.run("echo", "next"); got != "next\n" || code != 0 || out.Len() != 0 {
		t.Errorf("%q and %d; who had gone got %q", got, code, out.String())
	}
	_ = holds.Process.Signal(syscall.SIGTERM)
	_ = holds.Wait()
}

// What runs in a pool is told of when it begins, and not only when it has ended.
func TestPoolTells(t *testing.T) {
	p := newPool(t, 1)
	var id string
	until(t, func() bool { id = p.prepared(); return id != "" })
	cmd := p.command("sleep", "14.1421")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := func() string {
		out, err := exec.Command(p.safe, "events", "--since", "1h", "--until", "0s", "--filter", "container="+id).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	until(t, func() bool { return strings.Contains(told(), "start") })
	if strings.Contains(told(), "die") {
		t.Errorf("the end is told before it:\n%s", told())
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	until(t, func() bool { return strings.Contains(told(), "die") && strings.Contains(told(), "destroy") })
}
