package integration

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestSpoofedFailure: what a program writes and ends with is its own, even when
// it looks like the end of a program that could not be run.
func TestSpoofedFailure(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	for _, line := range []string{"exec /peek: no such file or directory", "exec /peek: exec format error", "safe-run: killed"} {
		got := peek(t, nil, "spoof", line, "255")
		if got.code != 255 || got.err != line+"\n" {
			t.Errorf("a program that writes %q and ends with 255: exit code %d\n%s", line, got.code, got.err)
		}
	}
}

// TestSurvivors: nothing that a container does keeps it running when its
// launcher is killed. leaks.Check looks for processes, cgroups and records.
func TestSurvivors(t *testing.T) {
	needRoot(t)
	for _, flags := range [][]string{nil, {"--init"}} {
		for _, way := range []string{"plain", "bomb", "stopped"} {
			t.Run(strings.Join(append(flags, way), " "), func(t *testing.T) {
				leaks.Check(t)
				r, _ := start(t, flags, "survive", way)
				time.Sleep(50 * time.Millisecond) // for the bomb to go off
				r.end(t, syscall.SIGKILL)
			})
		}
	}
}

// TestNoSetIDOnTheHost: a container cannot leave a setuid or setgid file in a
// directory of the host, where its files belong to somebody else.
func TestNoSetIDOnTheHost(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	dir := t.TempDir()
	flags := append(profile(t, "extends: [shell]\nprocess: {root: {allow: true, why: test}}"), "-v", dir+":/mnt")
	// The kernel itself takes both bits from mkdir's mode.
	if got := peek(t, flags, "setids", "/mnt"); got.line() != "mkdirat" {
		t.Errorf("these calls took the bits: %q\n%s", got.line(), got.err)
	}
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		seen++
		info, err := d.Info()
		if err == nil && info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeDevice) != 0 {
			t.Errorf("%s is %v on the host", path, info.Mode())
		}
		return err
	})
	if err != nil || seen < 2 {
		t.Errorf("%d files were made: %v", seen, err)
	}
}

// TestFlood: output without end passes through the launcher in bounded memory.
func TestFlood(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	const mib = 64
	cmd := launcher(t, "dir:"+built(t).root, "/peek", "flood", strconv.Itoa(mib))
	var out, errs counter
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := watchPeak(t, cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if least := counter(mib << 20 * 99 / 100); out < least || errs < least {
		t.Errorf("%d and %d bytes came through, want %d of each", out, errs, least)
	}
	// 25 MiB is the launcher's bound, and it has not grown with what passed.
	if peak := peak(); peak > 40<<10 || peak == 0 {
		t.Errorf("the launcher took %d KiB", peak)
	}
}

// watchPeak looks at the largest resident set of a process, in KiB, until it
// ends. What getrusage(2) says is no help: it counts the memory that a process
// shared with its parent before execve(2), and that is this test's.
func watchPeak(t *testing.T, pid int) (peak func() int) {
	t.Helper()
	last := make(chan int, 1)
	go func() {
		most := 0
		for {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, after, found := strings.Cut(string(status), "VmHWM:")
			if err != nil || !found { // it has ended
				last <- most
				return
			}
			words := strings.Fields(after)
			if n, err := strconv.Atoi(words[0]); err == nil {
				most = max(most, n)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return func() int { return <-last }
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// hostileTrees are images whose links lead to where a launcher mounts, writes
// or reads. HOST stands for a directory of the host that must stay as it is.
// Those with words are refused with them.
var hostileTrees = map[string]struct {
	links map[string]string
	flags string
	words string
}{
	"proc is a link":              {links: map[string]string{"proc": "/etc"}, words: "/proc"},
	"proc leads to the host":      {links: map[string]string{"proc": "../../../../../..HOST"}, words: "/proc"},
	"sys is a link":               {links: map[string]string{"sys": "proc"}, words: "/sys"},
	"run lies in proc":            {links: map[string]string{"run": "/proc/self"}, words: "/run"},
	"etc leads in circles":        {links: map[string]string{"etc": "loop/x", "loop": "etc"}, words: "/etc"},
	"etc leads to the host":       {links: map[string]string{"etc": "/proc/self/root/HOST"}},
	"tmp leads to the host":       {links: map[string]string{"tmp": "/..HOST"}, words: "/tmp"},
	"dev leads to tmp":            {links: map[string]string{"dev": "/tmp"}},
	"null leads to a setting":     {links: map[string]string{"dev/null": "/proc/sys/kernel/core_pattern"}},
	"console leads to a trigger":  {links: map[string]string{"dev/console": "/proc/sysrq-trigger"}, flags: "-t"},
	"passwd leads to the host":    {links: map[string]string{"etc/passwd": "../../../../../../etc/shadow"}},
	"a mount point lies in proc":  {links: map[string]string{"mnt": "/proc/self"}, flags: "-v HOST:/mnt/x", words: "/mnt/x"},
	"a mount point is a file's":   {links: map[string]string{"mnt": "/proc/self/attr"}, flags: "-v HOST/canary:/mnt/exec", words: "/mnt/exec"},
	"a mount point is the host's": {links: map[string]string{"mnt": "/../../HOST"}, flags: "--tmpfs /mnt/deep/er"},
	"the directory is a descriptor": {links: map[string]string{}, flags: "-w /proc/self/fd/7",
		words: "/proc/self/fd/7"},
}

func TestHostileTrees(t *testing.T) {
	needRoot(t)
	for name, tree := range hostileTrees {
		t.Run(name, func(t *testing.T) {
			leaks.Check(t)
			host, root := t.TempDir(), t.TempDir()
			canary := filepath.Join(host, "canary")
			if err := os.WriteFile(canary, []byte("sings"), 0o644); err != nil {
				t.Fatal(err)
			}
			growTree(t, root, host, tree.links)
			args := strings.Fields(strings.ReplaceAll(tree.flags, "HOST", host))
			got := safeRun(t, append(args, "dir:"+root, "/peek", "mount", "/proc")...)
			switch {
			case tree.words != "":
				if got.code != 125 || !strings.Contains(got.err, tree.words) || !strings.Contains(got.err, "hint:") {
					t.Errorf("exit code %d, want 125, %s and a hint\n%s", got.code, tree.words, got.err)
				}
			case got.code != 0 || got.line() != "proc nodev,noexec,nosuid,rw":
				t.Errorf("exit code %d, /proc is %q\n%s", got.code, got.line(), got.err)
			}
			entries, err := os.ReadDir(host)
			if text, _ := os.ReadFile(canary); err != nil || len(entries) != 1 || string(text) != "sings" {
				t.Errorf("the host's directory has %v (%v), the canary %q", entries, err, text)
			}
		})
	}
}

// growTree puts peek and links below root.
func growTree(t *testing.T, root, host string, links map[string]string) {
	t.Helper()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(built(t).peek, filepath.Join(root, "peek")); err != nil {
		t.Fatal(err)
	}
	for path, to := range links {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(strings.ReplaceAll(to, "HOST", host), path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNeighbour: a user of the host who is not root learns and changes nothing
// of a container: not its files, not its records, not its processes.
func TestNeighbour(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	name := "neighbour-" + strconv.Itoa(os.Getpid())
	r, _ := start(t, []string{"--name", name, "-e", "TOKEN=secret", "--label", "token=secret"}, "sleep", "1h")
	first := child(t, r.cmd.Process.Pid, "/peek")
	id := warden(t, r.cmd.Process.Pid)
	run := "/run/safe-run"
	box := run + "/sandboxes/" + id
	for _, words := range []string{
		"ls " + run, "ls " + run + "/names", "ls " + run + "/ids", "ls " + run + "/sandboxes", "ls " + box,
		"cat " + box + "/record.json", "ls " + box + "/runtime", "cat " + box + "/runtime/" + id + "/state.json",
		"ls " + box + "/rootfs", "cat " + run + "/names/" + name, "ls /var/lib/safe-run/.",
		"cat /proc/" + first + "/environ", "ls /proc/" + first + "/root/", "ls /proc/" + first + "/fd/", "ls /proc/" + first + "/cwd/",
		"ls /proc/" + strconv.Itoa(r.cmd.Process.Pid) + "/fd/", "kill -9 " + first,
	} {
		cmd := exec.Command("/bin/sh", "-c", words)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "ermi") && !strings.Contains(string(out), "o such file") {
			t.Errorf("a neighbour may %s: %v\n%s", words, err, out)
		}
	}
	r.end(t, syscall.SIGTERM)
}

// warden is the id of the sandbox, which the warden's command line ends with.
func warden(t *testing.T, launcher int) string {
	t.Helper()
	pid := child(t, launcher, "safe-run-warden")
	line, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	return words[len(words)-1]
}

// child is the child of a process whose command line begins with name.
func child(t *testing.T, parent int, name string) string {
	t.Helper()
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		pids, _ := os.ReadFile(list)
		for _, pid := range strings.Fields(string(pids)) {
			if line, _ := os.ReadFile("/proc/" + pid + "/cmdline"); strings.HasPrefix(string(line), name) {
				return pid
			}
		}
	}
	t.Fatalf("process %d has no child %s", parent, name)
	return ""
}

// TestRootInside: what is read-only is so for a container's root, too.
func TestRootInside(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	flags := profile(t, "process: {root: {allow: true, why: test}}")
	for look, want := range map[string]string{
		"status CapEff": "0000000000000000", "status CapBnd": "0000000000000000", "status NoNewPrivs": "1",
		"write /file": "EROFS", "write /sys/fs/cgroup/file": "EROFS", "write /proc/sys/file": "(EROFS|ENOENT|EACCES)",
		"open /proc/sysrq-trigger wo": "(EROFS|EACCES|ENOENT)", "open /proc/sys/kernel/core_pattern wo": "(EROFS|EACCES)",
		"mknod /tmp/node": "EPERM", "call chroot s:/": "EPERM", "call unshare 0x10000000": "EPERM", "exec /tmp": "EACCES",
	} {
		if got := peek(t, flags, strings.Fields(look)...); !whole(want, got.line()) {
			t.Errorf("root inside, peek %s: %q, want %s\n%s", look, got.line(), want, got.err)
		}
	}
}

// TestInitDescriptors: the first process has nothing open but its streams,
// whatever whoever started the launcher had open.
func TestInitDescriptors(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	root, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	cmd := launcher(t, "--init", "dir:"+built(t).root, "/peek", "ls", "/proc/1/fd")
	cmd.ExtraFiles = []*os.File{root, root, root}
	if got := finish(t, cmd); got.line() != "0 1 2" {
		t.Errorf("the first process has open: %s\n%s", got.line(), got.err)
	}
}

// TestSuspendedContainer: while its launcher is stopped, as by Ctrl-Z, nothing
// in a container runs. Many times, because it was a race.
func TestSuspendedContainer(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, _ := start(t, nil, "tick")
	pid := r.cmd.Process.Pid
	first := child(t, pid, "/peek")
	for range 20 {
		if err := r.cmd.Process.Signal(syscall.SIGTSTP); err != nil {
			t.Fatal(err)
		}
		awaitState(t, pid, "T")
		before := switches(t, first)
		time.Sleep(20 * time.Millisecond)
		if after := switches(t, first); after != before {
			t.Fatalf("the container runs on while its launcher is stopped: %d switches", after-before)
		}
		if err := r.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		awaitState(t, pid, "S")
	}
	r.end(t, syscall.SIGTERM)
}

// awaitState waits until a process is in a state (proc_pid_stat(5)).
func awaitState(t *testing.T, pid int, state string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, state) {
			return
		}
	}
	t.Fatalf("process %d is not in state %s", pid, state)
}

// switches counts how often the threads of a process went to sleep.
func switches(t *testing.T, pid string) (sum int) {
	t.Helper()
	threads, err := filepath.Glob("/proc/" + pid + "/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatalf("process %s has no threads: %v", pid, err)
	}
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:\t")
		line, _, _ := strings.Cut(rest, "\n")
		n, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}
