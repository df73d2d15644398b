package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/console"

	"github.com/safe-run/safe-run/integration/leaks"
)

// named starts a container that sleeps, with a name of its own.
func named(t *testing.T, flags ...string) (*running, string) {
	t.Helper()
	name := fmt.Sprintf("exec-%d-%d", os.Getpid(), time.Now().UnixNano()%1e9)
	r, _ := start(t, append([]string{"--name", name}, flags...), "sleep", "5m")
	return r, name
}

// TestExecIsConfinedAsTheFirst: a further process has what the first one has
// and no more, whatever its confinement is.
func TestExecIsConfinedAsTheFirst(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	for name, flags := range map[string][]string{
		"default": nil,
		"root with a capability": append(profile(t, "process: {root: {allow: true, why: test}, oomScoreAdj: 500}"),
			"--user", "0", "--cap-add", "NET_BIND_SERVICE", "--ulimit", "nproc=77:88"),
		"a group more, and a writable root": {"--user", "app", "--read-only=false"},
	} {
		t.Run(name, func(t *testing.T) {
			r, container := named(t, flags...)
			first := inside(t, r)
			exec, line := begin(t, launcher(t, "exec", container, "/peek", "sleep", "1m"))
			if line != "sleeping" {
				t.Fatalf("the further process says %q", line)
			}
			// The launcher's descendants are the warden and the process.
			further := inside(t, exec)
			for _, field := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Uid", "Gid", "Groups", "Umask"} {
				if a, b := statusOf(t, first, field), statusOf(t, further, field); a != b || a == "" {
					t.Errorf("%s: %q, the first process's is %q", field, b, a)
				}
			}
			for _, file := range []string{"cgroup", "limits", "oom_score_adj", "mountinfo", "uid_map", "attr/current"} {
				if a, b := procFile(first, file), procFile(further, file); a != b {
					t.Errorf("%s: %q, the first process's is %q", file, b, a)
				}
			}
			for _, ns := range []string{"user", "pid", "ipc", "uts", "mnt", "net", "cgroup", "time"} {
				a, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", first, ns))
				b, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", further, ns))
				if a != b || a == "" {
					t.Errorf("namespace %s: %q, the first process's is %q", ns, b, a)
				}
			}
			for _, look := range [][]string{{"call", "bpf", "0", "0", "0"}, {"read", "/proc/kcore"}, {"write", "/proc/sys/kernel/hostname"}} {
				want := peek(t, flags, look...).line()
				if got := safeRun(t, append([]string{"exec", container, "/peek"}, look...)...); got.line() != want {
					t.Errorf("%v: %q, in the first process %q; exit code %d\n%s", look, got.line(), want, got.code, got.err)
				}
			}
			exec.end(t, syscall.SIGKILL)
			r.end(t, syscall.SIGTERM)
		})
	}
}

func statusOf(t *testing.T, pid int, field string) string {
	t.Helper()
	for line := range strings.Lines(procFile(pid, "status")) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			return strings.Join(strings.Fields(value), " ") + "."
		}
	}
	return ""
}

func procFile(pid int, name string) string {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
	if err != nil {
		return err.Error()[strings.LastIndex(err.Error(), ":")+1:]
	}
	return string(data)
}

// TestExecGetsNothingOfTheHost: no descriptor, variable or directory of the
// launcher reaches the further process.
func TestExecGetsNothingOfTheHost(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t, "-e", "OF=container")
	host, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	for words, want := range map[string]string{
		"fds": "none",
		"cwd": "/",
		"env": "HOME=/ HOSTNAME=" + hostnameOf(t, container) + " MORE=1 OF=container PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	} {
		cmd := launcher(t, "exec", "-e", "MORE=1", "-e", "UNSET", container, "/peek", words)
		cmd.Env = append(cmd.Env, "SECRET=token", "GOMAXPROCS=1")
		cmd.ExtraFiles, cmd.Dir = []*os.File{host, host, host}, t.TempDir()
		if got := finish(t, cmd); got.line() != want {
			t.Errorf("%s: %q, want %q\n%s", words, got.line(), want, got.err)
		}
	}
	r.end(t, syscall.SIGTERM)
}

func hostnameOf(t *testing.T, container string) string {
	t.Helper()
	return safeRun(t, "exec", container, "/peek", "hostname").line()
}

// TestExecIsNotSeenInto: what runs in the container, as root of it, cannot look
// into a process that joins before that has become the container's own program.
func TestExecIsNotSeenInto(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	flags := append(profile(t, "process: {root: {allow: true, why: test}}"), "--user", "0", "--name", fmt.Sprintf("spy-%d", os.Getpid()))
	r, line := start(t, flags, "spy", "3s")
	if line != "watching" {
		t.Fatal(line)
	}
	const joins = 25
	for i := range joins {
		got := safeRun(t, "exec", flags[len(flags)-1], "/peek", "id")
		if got.line() == "0:0" {
			continue
		}
		// Three seconds are over: before it, in the middle (137), or after.
		if got.code != 137 && !strings.Contains(got.err, "does not run") && !strings.Contains(got.err, "no container") {
			t.Fatalf("join %d: exit code %d, %q\n%s", i, got.code, got.line(), got.err)
		}
		break
	}
	seen := r.next(t)
	count, found, _ := strings.Cut(seen, " came; found: ")
	if n, _ := strconv.Atoi(count); n < 3 || found != "none" {
		t.Errorf("the spy says %q", seen)
	}
	r.wait()
}

// TestExecUser: any user but root, who needs the profile's leave, whatever the
// container's own accounts call them.
func TestExecUser(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t)
	for user, want := range map[string]string{"": "65532:65532", "app": "1000:1000", "1234": "1234:65532", "5:6": "5:6", "app:extra": "1000:1001"} {
		args := []string{"exec", container, "/peek", "id"}
		if user != "" {
			args = append([]string{"exec", "-u", user}, args[1:]...)
		}
		if got := safeRun(t, args...); got.line() != want {
			t.Errorf("user %q: %q, want %q\n%s", user, got.line(), want, got.err)
		}
	}
	for _, user := range []string{"0", "root", "00", "app:0", "app:root", "nobody-here", "70000"} {
		got := safeRun(t, "exec", "-u", user, container, "/peek", "id")
		if got.code != 125 || got.out != "" || !strings.Contains(got.err, "hint:") {
			t.Errorf("user %q: exit code %d, %q\n%s", user, got.code, got.out, got.err)
		}
	}
	r.end(t, syscall.SIGTERM)
	r, container = named(t, profile(t, "process: {root: {allow: true, why: test}}")...)
	if got := safeRun(t, "exec", "-u", "root", container, "/peek", "id"); got.line() != "0:0" {
		t.Errorf("root under a profile that allows it: %q\n%s", got.line(), got.err)
	}
	r.end(t, syscall.SIGTERM)
}

// TestExecCodes: docker's exit codes.
func TestExecCodes(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{container, "/peek", "exit", "7"}, 7, ""},
		{[]string{container, "/peek", "kill", "SIGTERM"}, 143, ""},
		{[]string{container, "/nothing"}, 127, "hint:"},
		{[]string{container, "nothing"}, 127, "hint:"},
		{[]string{container, "/etc/passwd"}, 126, "hint:"},
		{[]string{container, "/text"}, 126, "hint:"},
		{[]string{"-w", "/nowhere", container, "/peek", "id"}, 125, `"/nowhere"`},
		{[]string{"--privileged", container, "/peek", "id"}, 125, "--privileged"},
		{[]string{"nobody", "/peek", "id"}, 125, `no container "nobody"`},
		{[]string{container}, 125, "needs NAME COMMAND"},
	} {
		got := safeRun(t, append([]string{"exec"}, c.args...)...)
		if got.code != c.code || !strings.Contains(got.err, c.says) || (c.says == "" && got.err != "") {
			t.Errorf("exec %v: exit code %d, want %d\n%s", c.args, got.code, c.code, got.err)
		}
	}
	cmd := launcher(t, "exec", "-i", container, "/peek", "cat")
	cmd.Stdin = strings.NewReader("through a pipe")
	if got := finish(t, cmd); got.out != "through a pipe" {
		t.Errorf("standard input: %q\n%s", got.out, got.err)
	}
	r.end(t, syscall.SIGTERM)
	if got := safeRun(t, "exec", container, "/peek", "id"); got.code != 125 {
		t.Errorf("in a container that has ended: exit code %d\n%s", got.code, got.err)
	}
}

// TestExecSignals: signals go to the further process, and a launcher that is
// killed takes it along, and nothing else.
func TestExecSignals(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t)
	exec, line := begin(t, launcher(t, "exec", container, "/peek", "signals"))
	if line != "ready" {
		t.Fatal(line)
	}
	// One after the other: those that wait together have no order.
	for sig, name := range map[syscall.Signal]string{syscall.SIGUSR1: "SIGUSR1", syscall.SIGINT: "SIGINT"} {
		if err := exec.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if got := exec.next(t); got != name {
			t.Errorf("sent %s, the program got %s", name, got)
		}
	}
	if got := exec.end(t, syscall.SIGTERM); got.out != "SIGTERM" || got.code != 0 {
		t.Errorf("after SIGTERM: exit code %d, %q\n%s", got.code, got.out, got.err)
	}
	for _, user := range []string{"65532", "app"} {
		exec, _ = begin(t, launcher(t, "exec", "-u", user, container, "/peek", "sleep", "5m"))
		further := inside(t, exec)
		exec.end(t, syscall.SIGKILL)
		awaitGone(t, further)
	}
	if got := safeRun(t, "exec", container, "/peek", "id"); got.code != 0 {
		t.Errorf("the container did not go on: exit code %d\n%s", got.code, got.err)
	}
	exec, _ = begin(t, launcher(t, "exec", container, "/peek", "sleep", "5m"))
	r.end(t, syscall.SIGTERM)
	if got := exec.wait(); got.code != 137 {
		t.Errorf("when the container ends: exit code %d\n%s", got.code, got.err)
	}
}

// TestExecKilledAtAnyMoment: whatever of a join has happened when its launcher
// is killed, nothing of it goes on.
func TestExecKilledAtAnyMoment(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t)
	first := inside(t, r)
	ran := 0
	for i := range 40 {
		cmd := launcher(t, "exec", container, "/peek", "sleep", "5m")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * time.Millisecond)
		if len(beside(t, first)) > 0 {
			ran++
		}
		sig := syscall.SIGKILL
		if i%4 == 3 {
			sig = syscall.SIGTERM
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
	}
	for end := time.Now().Add(5 * time.Second); len(beside(t, first)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("these go on: %v", beside(t, first))
		}
	}
	if ran == 0 {
		t.Error("no join ever came so far that it could be left behind")
	}
	if got := safeRun(t, "exec", container, "/peek", "id"); got.code != 0 {
		t.Errorf("afterwards: exit code %d\n%s", got.code, got.err)
	}
	r.end(t, syscall.SIGTERM)
}

// awaitGone waits until a process has ended; who reaps it is another matter.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if state := statusOf(t, pid, "State"); state == "" || strings.HasPrefix(state, "Z") {
			return
		}
	}
	t.Errorf("process %d goes on", pid)
}

// TestExecTerminal: -it gives a terminal of the right size, and the keys that
// detach leave the process running.
func TestExecTerminal(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t)
	k := sit(t, "exec", "-it", container, "/peek", "resizes", "1")
	k.wants(t, "33 rows 77 columns")
	if err := k.Resize(console.WinSize{Height: 44, Width: 99}); err != nil {
		t.Fatal(err)
	}
	k.wants(t, "44 rows 99 columns")
	if code := k.code(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	k = sit(t, "exec", "-it", "--detach-keys", "ctrl-a,x", container, "/peek", "signals")
	k.wants(t, "ready")
	k.types(t, "\x03")
	k.wants(t, "SIGINT")
	further := inside(t, &running{cmd: k.cmd})
	k.types(t, "\x01x")
	if code := k.code(t); code != 0 {
		t.Errorf("after detaching: exit code %d", code)
	}
	if state := statusOf(t, further, "State"); !strings.HasPrefix(state, "S") && !strings.HasPrefix(state, "R") {
		t.Errorf("the process that was left: %q", state)
	}
	r.end(t, syscall.SIGTERM)
	awaitGone(t, further)
}

// TestExecDetached: with -d the process outlives the launcher, and not the
// container.
func TestExecDetached(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	for _, flags := range [][]string{nil, append(profile(t, "process: {root: {allow: true, why: test}}"), "--user", "0")} {
		r, container := named(t, flags...)
		first := inside(t, r)
		got := safeRun(t, "exec", "-d", container, "/peek", "sleep", "5m")
		if got.code != 0 || got.out != "" || got.err != "" {
			t.Errorf("exit code %d, %q\n%s", got.code, got.out, got.err)
		}
		below := beside(t, first)
		if len(below) != 1 {
			t.Fatalf("beside the first process there are %v", below)
		}
		time.Sleep(50 * time.Millisecond) // for what would kill it
		if state := statusOf(t, below[0], "State"); !strings.HasPrefix(state, "S") {
			t.Errorf("the process: %q", state)
		}
		r.end(t, syscall.SIGTERM)
		awaitGone(t, below[0])
	}
}

// beside gives the other processes in the pid namespace of a container.
func beside(t *testing.T, first int) (others []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	space, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", first))
	for _, link := range all {
		pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
		if target, err := os.Readlink(link); err == nil && target == space && pid != first {
			others = append(others, pid)
		}
	}
	return others
}
