package integration

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// waits are calls whose number depends on what else the machine does.
var waits = regexp.MustCompile(`^(futex|nanosleep|clock_nanosleep|sched_yield|epoll_p?wait|restart_syscall|rt_sigreturn|rt_sigprocmask|tgkill|getpid|gettid|madvise)$`)

// TestSystemCallBudget: a launch makes no more system calls than it has been
// brought down to. They do not depend on how busy the machine is, as times do:
// init's are nearly the same each time. The launcher's vary with how often it has
// to wait, and with the sandboxes that there are beside, at whose records it looks.
func TestSystemCallBudget(t *testing.T) {
	needRoot(t)
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("NOT CHECKED: the system calls of a launch: strace is not installed")
	}
	image := []string{"dir:" + built(t).root, "/peek", "call", "bpf", "0", "0", "0"}
	finish(t, launcher(t, image...)) // whose filter is compiled from here on
	told := filepath.Join(t.TempDir(), "calls")
	cmd := launcher(t, image...)
	cmd.Args = append([]string{strace, "-f", "-Y", "-qq", "-o", told, cmd.Path}, image...)
	cmd.Path = strace
	if got := finish(t, cmd); got.line() != "EPERM" {
		t.Skipf("NOT CHECKED: the system calls of a launch: strace: %q %s", got.out, got.err)
	}
	launcherMade, initMade := countCalls(t, told)
	t.Logf("launcher %d, init %d", launcherMade, initMade)
	if initMade < 300 || launcherMade < 300 {
		t.Fatalf("they were not seen: launcher %d, init %d", launcherMade, initMade)
	}
	if moved := movedInto(t, told); moved > 0 {
		t.Errorf("the launcher moves init into %d control groups of version 1, in which it could have been forked", moved)
	}
	if budget := 1500; initMade > budget {
		t.Errorf("init makes %d system calls, more than %d", initMade, budget)
	}
	if others, _ := os.ReadDir("/run/safe-run/sandboxes"); len(others) > 0 {
		t.Skipf("NOT CHECKED: the system calls of the launcher: %d other sandboxes run, at which it looks", len(others))
	}
	if budget := 2500; launcherMade > budget {
		t.Errorf("the launcher makes %d system calls, more than %d", launcherMade, budget)
	}
}

// countCalls counts what strace has seen of the launcher and of init, each until
// it became another program.
func countCalls(t *testing.T, told string) (launcherMade, initMade int) {
	t.Helper()
	f, err := os.Open(told)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line := regexp.MustCompile(`^\d+<([^>]*\]|[^>]*)>\s+(\w+)\(`)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m := line.FindStringSubmatch(lines.Text())
		switch {
		case m == nil || waits.MatchString(m[2]):
		case strings.HasPrefix(m[1], "runc:["):
			initMade++
		case m[1] == "safe-run":
			launcherMade++
		}
	}
	return launcherMade, initMade
}

// movedInto counts the groups of version 1 that a process was moved into, which can
// take as long as the launch: the kernel waits for a grace period.
func movedInto(t *testing.T, told string) (n int) {
	t.Helper()
	text, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return 0
	}
	return len(regexp.MustCompile(`safe-run-[0-9a-f]+/cgroup\.procs", (\{flags=)?O_WRONLY`).FindAll(text, -1))
}
