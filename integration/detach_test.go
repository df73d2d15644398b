package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

// yard is where detached containers are kept during a test: a ledger of its
// own, and an image that has a shell.
type yard struct {
	ledger, root string
}

func newYard(t *testing.T) *yard {
	t.Helper()
	needRoot(t)
	leaks.Check(t)
	y := &yard{ledger: filepath.Join(t.TempDir(), "ledger"), root: shellRoot(t)}
	t.Cleanup(func() {
		if ids := y.ids(); len(ids) > 0 {
			y.run(t, append([]string{"rm", "-f"}, ids...)...)
		}
	})
	return y
}

// ids gives the containers of the yard. ps has those of others in the
// foreground, too.
func (y *yard) ids() (ids []string) {
	dirs, _ := filepath.Glob(filepath.Join(y.ledger, strings.Repeat("[0-9a-f]", 64)))
	for _, dir := range dirs {
		ids = append(ids, filepath.Base(dir))
	}
	return ids
}

// shellRoot makes a root filesystem of busybox.
func shellRoot(t *testing.T) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("NOT CHECKED: there is no busybox here (package busybox-static)")
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"bin", "proc", "sys", "dev", "run", "tmp", "etc"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "bin/busybox"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, applet := range []string{"sh", "sleep", "cat", "seq", "true", "yes", "stty", "dd", "echo", "head"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// launch is safe-run on the yard's ledger.
func (y *yard) launch(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := launcher(t, args...)
	cmd.Env = append(cmd.Env, "SAFE_RUN_LEDGER="+y.ledger, "SAFE_RUN_VOLUMES="+y.volumes())
	return cmd
}

// volumes is where the volumes of the yard are.
func (y *yard) volumes() string { return filepath.Join(filepath.Dir(y.ledger), "volumes") }

func (y *yard) run(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, y.launch(t, args...))
}

// must runs a verb that has to succeed, and gives what it prints.
func (y *yard) must(t *testing.T, args ...string) string {
	t.Helper()
	got := y.run(t, args...)
	if got.code != 0 {
		t.Fatalf("safe-run %q: exit code %d\n%s%s", args, got.code, got.out, got.err)
	}
	return got.line()
}

// detach starts a container of the shell image and gives its id.
func (y *yard) detach(t *testing.T, flags []string, command ...string) string {
	t.Helper()
	args := append(append([]string{"run", "-d"}, flags...), "dir:"+y.root)
	id := y.must(t, append(args, command...)...)
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(id) {
		t.Fatalf("run -d prints %q, want an id", id)
	}
	return id
}

// seen is a container as ps shows it.
type seen struct {
	ID, Name, Status, Command, Cause, Damage string
	ExitCode, Restarts                       int
	Foreground                               bool
}

func (y *yard) see(t *testing.T, ref string) seen {
	t.Helper()
	var all []seen
	if err := json.Unmarshal([]byte(y.must(t, "ps", "-a", "--format", "json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name == ref || strings.HasPrefix(s.ID, ref) {
			return s
		}
	}
	return seen{}
}

// becomes waits until a container has a status.
func (y *yard) becomes(t *testing.T, ref, status string) seen {
	t.Helper()
	var last seen
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last = y.see(t, ref); last.Status == status {
			return last
		}
	}
	t.Fatalf("%s does not become %s: %+v", ref, status, last)
	return last
}

// supervisorOf finds the supervisor of a container: the parent of its first
// process.
func (y *yard) supervisorOf(t *testing.T, id string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(y.ledger, id, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	var state struct{ Pid int }
	if err := json.Unmarshal(data, &state); err != nil || state.Pid == 0 {
		t.Fatalf("no process in %s: %v", data, err)
	}
	parent, err := strconv.Atoi(strings.TrimSuffix(statusOf(t, state.Pid, "PPid"), "."))
	if err != nil {
		t.Fatal(err)
	}
	if name := commandOf(parent); name != "safe-run-supervisor" {
		t.Fatalf("the parent of the container is %q", name)
	}
	return parent
}

// TestDetachedLife: start, look, stop, start again, remove.
func TestDetachedLife(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, []string{"--name", "site", "-e", "A=b c", "--label", "kind=web"}, "sh", "-c", `echo "got $A"; exec sleep 100`)
	if s := y.see(t, "site"); s.ID != id || s.Status != "running" || s.Foreground {
		t.Errorf("ps: %+v", s)
	}
	table := y.must(t, "ps", "--filter", "label=kind=web", "--filter", "status=running")
	want := regexp.MustCompile(`^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n` + id[:12] + ` +dir:\S+ +"sh -c 'echo .*…" +.+ ago +Up .+ +site$`)
	if !want.MatchString(table) {
		t.Errorf("ps prints\n%s", table)
	}
	if got := y.run(t, "run", "-d", "--name", "site", "dir:"+y.root, "true"); got.code != 125 || !strings.Contains(got.err, `"site" is in use`) {
		t.Errorf("a name twice: %d %s", got.code, got.err)
	}
	if got := y.run(t, "run", "--name", "site", "dir:"+y.root, "true"); got.code != 125 || !strings.Contains(got.err, `"site" is in use`) {
		t.Errorf("a name twice, in the foreground: %d %s", got.code, got.err)
	}
	if got := y.run(t, "rm", "site"); got.code == 0 || !strings.Contains(got.err, "stop it first") {
		t.Errorf("rm of one that runs: %d %s", got.code, got.err)
	}
	if got := y.must(t, "stop", "-t", "1", id[:8]); got != id[:8] {
		t.Errorf("stop prints %q", got)
	}
	if s := y.see(t, "site"); s.Status != "exited" || s.ExitCode != 143 {
		t.Errorf("after stop: %+v", s)
	}
	if out := y.must(t, "ps", "-q", "--filter", "name=site"); out != "" {
		t.Errorf("ps -q shows %q after the stop", out)
	}
	y.must(t, "start", "site")
	y.must(t, "restart", "-t", "0", "site")
	y.must(t, "kill", "-s", "KILL", "site")
	if got := y.must(t, "wait", "site"); got != "137" {
		t.Errorf("wait prints %q", got)
	}
	if got := y.must(t, "logs", "site"); got != "got b c\ngot b c\ngot b c" {
		t.Errorf("logs prints %q", got)
	}
	y.must(t, "rm", "site")
	if got := y.run(t, "logs", "site"); got.code == 0 || !strings.Contains(got.err, "no such container") {
		t.Errorf("logs of one that is removed: %d %s", got.code, got.err)
	}
}

// TestDetachedFailures: what goes wrong before the program runs is the
// caller's to see, and leaves nothing.
func TestDetachedFailures(t *testing.T) {
	y := newYard(t)
	if err := os.WriteFile(filepath.Join(y.root, "text"), []byte("\x00\x01"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"dir:" + y.root + " nothing", 127, `cannot run "nothing"`},
		{"dir:" + y.root + " /etc", 126, `cannot run "/etc"`},
		{"dir:" + y.root + " /text", 126, `cannot run "/text"`},
		{"dir:/nowhere true", 125, "there is no"},
		{"--pid host dir:" + y.root + " true", 125, "is refused"},
		{"--name a/b dir:" + y.root + " true", 125, "cannot be used"},
	} {
		got := y.run(t, append([]string{"run", "-d"}, strings.Fields(test.args)...)...)
		if got.code != test.code || !strings.Contains(got.err, test.want) || got.out != "" {
			t.Errorf("%s: exit code %d, %q, %s", test.args, got.code, got.out, got.err)
		}
	}
	if ids := y.ids(); len(ids) > 0 {
		t.Errorf("left in the ledger: %q", ids)
	}
	for _, verb := range []string{"stop", "kill", "start", "restart", "wait", "rm", "logs", "attach"} {
		if got := y.run(t, verb, "nobody"); got.code != 1 || !strings.Contains(got.err, "no such container") || !strings.Contains(got.err, "hint: ") {
			t.Errorf("%s nobody: exit code %d, %s", verb, got.code, got.err)
		}
	}
}

// TestWait: the exit code is the container's, whoever waits and however often.
func TestWait(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, nil, "sh", "-c", "sleep 1; exit 7")
	var waiting sync.WaitGroup
	for range 3 {
		cmd := y.launch(t, "wait", id)
		waiting.Go(func() {
			if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != "7" {
				t.Errorf("wait: %q, %v", out, err)
			}
		})
	}
	waiting.Wait()
	gone := y.detach(t, []string{"--rm"}, "sh", "-c", "sleep 0.5; exit 3")
	if got := y.must(t, "wait", gone); got != "3" {
		t.Errorf("wait for one with --rm: %q", got)
	}
	if s := y.see(t, gone); s.ID != "" {
		t.Errorf("--rm left %+v", s)
	}
}

// TestRestartPolicies: who is started again, and how often.
func TestRestartPolicies(t *testing.T) {
	y := newYard(t)
	failing := y.detach(t, []string{"--restart", "on-failure:2"}, "sh", "-c", "echo run; exit 4")
	if got := y.must(t, "wait", failing); got != "4" {
		t.Errorf("wait: %q", got)
	}
	if s := y.see(t, failing); s.Status != "exited" || s.Restarts != 2 {
		t.Errorf("on-failure:2 ended as %+v", s)
	}
	if got := y.must(t, "logs", failing); got != "run\nrun\nrun" {
		t.Errorf("on-failure:2 wrote %q", got)
	}
	fine := y.detach(t, []string{"--restart", "on-failure"}, "true")
	if y.must(t, "wait", fine); y.see(t, fine).Restarts != 0 {
		t.Error("on-failure started one again that had succeeded")
	}
	always := y.detach(t, []string{"--restart", "always"}, "sh", "-c", "sleep 0.2")
	for deadline := time.Now().Add(10 * time.Second); y.see(t, always).Restarts < 2; {
		if time.Now().After(deadline) {
			t.Fatalf("always: %+v", y.see(t, always))
		}
	}
	y.must(t, "stop", "-t", "0", always)
	if s := y.see(t, always); s.Status != "exited" {
		t.Errorf("always, after stop: %+v", s)
	}
}

// TestSupervisorKilled: the container goes with its supervisor, ps says so, and
// the name is free again once it is removed.
func TestSupervisorKilled(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, []string{"--name", "orphan"}, "sleep", "100")
	if err := syscall.Kill(y.supervisorOf(t, id), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if s := y.becomes(t, "orphan", "dead"); s.ExitCode != 137 || s.Cause == "" {
		t.Errorf("ps: %+v", s)
	}
	if got := y.must(t, "wait", "orphan"); got != "137" {
		t.Errorf("wait: %q", got)
	}
	if got := y.must(t, "gc"); !strings.Contains(got, "dead: orphan") {
		t.Errorf("gc: %q", got)
	}
	y.must(t, "start", "orphan")
	y.must(t, "rm", "-f", "orphan")
	y.detach(t, []string{"--name", "orphan"}, "true")
}

// TestKilledWhileStarting: front or supervisor are killed at random moments of
// a start. Whatever is left runs and is listed, or goes with gc.
func TestKilledWhileStarting(t *testing.T) {
	y := newYard(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	rounds := 30
	if testing.Short() {
		rounds = 8
	}
	for i := range rounds {
		name := fmt.Sprintf("victim-%d", i)
		cmd := y.launch(t, "run", "-d", "--name", name, "dir:"+y.root, "sleep", "100")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(90)) * time.Millisecond)
		victim := cmd.Process.Pid
		if random.IntN(3) > 0 {
			if pids := children(victim, "safe-run-supervisor"); len(pids) > 0 {
				victim = pids[0]
			}
		}
		_ = syscall.Kill(victim, syscall.SIGKILL)
		_ = cmd.Wait()
	}
	// What goes on runs and can be removed; the rest is for gc.
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		running := 0
		for _, id := range y.ids() {
			if y.see(t, id).Status == "running" {
				running++
			}
		}
		if len(supervisors(y)) == running {
			break
		}
	}
	for _, id := range y.ids() {
		// One that was not made to the end is none yet, and can be removed.
		if s := y.see(t, id); s.ID != "" && s.Status != "running" && s.Status != "dead" && s.Status != "created" {
			t.Errorf("left as %+v", s)
		}
		y.must(t, "rm", "-f", id)
	}
	y.must(t, "gc")
	for i := range rounds {
		name := fmt.Sprintf("victim-%d", i)
		if _, err := os.Lstat(filepath.Join(y.ledger, "names", name)); err == nil {
			t.Errorf("the name %s is still taken", name)
		}
	}
}

// children finds the children of a process that were called by name.
func children(parent int, name string) (pids []int) {
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(child); err == nil && commandOf(pid) == name {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// supervisors finds the supervisors of a yard, by the ledger in their
// environment.
func supervisors(y *yard) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if commandOf(pid) != "safe-run-supervisor" {
			continue
		}
		if env, _ := os.ReadFile(dir + "/environ"); strings.Contains(string(env), "SAFE_RUN_LEDGER="+y.ledger) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestAttach: a terminal comes and goes, and the container stays.
func TestAttach(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, []string{"-it", "--name", "shell"}, "sh")
	t.Setenv("SAFE_RUN_LEDGER", y.ledger)
	k := y.sit(t, "attach", "shell")
	k.types(t, "stty size; echo con''nected\r")
	k.wants(t, "33 77")
	k.wants(t, "connected")
	k.types(t, "\x10\x11") // ctrl-p, ctrl-q
	if code := k.code(t); code != 0 {
		t.Errorf("detach: exit code %d", code)
	}
	if s := y.see(t, id); s.Status != "running" {
		t.Errorf("after detaching: %+v", s)
	}
	k = y.sit(t, "attach", id[:10])
	k.types(t, "exit 9\r")
	if code := k.code(t); code != 9 {
		t.Errorf("attach: exit code %d, want the container's", code)
	}
	if got := y.must(t, "logs", "shell"); !strings.Contains(got, "connected") {
		t.Errorf("logs: %q", got)
	}
}

// sit is the keyboard of a launcher on the yard's ledger.
func (y *yard) sit(t *testing.T, args ...string) *keyboard {
	t.Helper()
	return sitAt(t, y.launch(t, args...))
}

// TestAttachPipes: without a terminal, streams stay apart.
func TestAttachPipes(t *testing.T) {
	y := newYard(t)
	y.detach(t, []string{"-i", "--name", "cat"}, "sh", "-c", "while read line; do echo out $line; echo err $line >&2; [ $line = end ] && exit 5; done")
	cmd := y.launch(t, "attach", "cat")
	cmd.Stdin = strings.NewReader("one\nend\n")
	if got := finish(t, cmd); got.code != 5 || got.out != "out one\nout end\n" || got.err != "err one\nerr end\n" {
		t.Errorf("attach: %+v", got)
	}
}

// TestForegroundVerbs: a container of somebody's terminal is listed, stopped
// and killed too.
func TestForegroundVerbs(t *testing.T) {
	y := newYard(t)
	for _, verb := range [][]string{{"stop", "-t", "1"}, {"kill"}, {"rm", "-f"}} {
		name := "fore-" + verb[0]
		cmd := y.launch(t, "--name", name, "dir:"+y.root, "sleep", "100")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := y.becomes(t, name, "running")
		if !s.Foreground || s.Command != "sleep 100" {
			t.Errorf("ps: %+v", s)
		}
		if got := y.run(t, "logs", name); got.code != 1 || !strings.Contains(got.err, "foreground") {
			t.Errorf("logs: %+v", got)
		}
		y.must(t, append(verb, name)...)
		_ = cmd.Wait()
		if s = y.see(t, name); s.ID != "" {
			t.Errorf("after %s: %+v", verb[0], s)
		}
	}
}
