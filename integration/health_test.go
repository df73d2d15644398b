package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// byHand is for a check that is made when it is asked for, and never else.
var byHand = []string{"--health-interval", "1h", "--health-retries", "2"}

// health is what is known of the checks of a container.
type health struct {
	Status        string
	FailingStreak int
	Log           []struct {
		Start, End time.Time
		ExitCode   int
		Output     string
	}
}

func (y *yard) health(t *testing.T, ref string) (h health) {
	t.Helper()
	if err := json.Unmarshal([]byte(y.must(t, "inspect", "--format", "{{json .State.Health}}", ref)), &h); err != nil {
		t.Fatal(err)
	}
	return h
}

// check has a container checked, and compares the exit code and how the
// container is then.
func (y *yard) check(t *testing.T, ref string, code int, status string, streak int) result {
	t.Helper()
	got := y.run(t, "healthcheck", "run", ref)
	if h := y.health(t, ref); got.code != code || h.Status != status || h.FailingStreak != streak {
		t.Errorf("healthcheck run: exit code %d, then %s after %d failures; want %d, %s and %d\n%s%s", got.code, h.Status, h.FailingStreak, code, status, streak, got.out, got.err)
	}
	return got
}

// TestHealth: a container is starting, healthy, unhealthy and healthy again,
// and everybody who lists it sees it.
func TestHealth(t *testing.T) {
	y := newYard(t)
	y.detach(t, append(byHand, "--name", "site", "--health-cmd", `echo "look: $WHERE"; test ! -e /tmp/sick`, "-e", "WHERE=here"), "sleep", "600")
	status := func() string { return y.must(t, "ps", "--format", "{{.Status}}", "--filter", "name=site") }
	if got := status(); !strings.HasSuffix(got, " (health: starting)") {
		t.Errorf("ps before any check: %q", got)
	}
	if h := y.health(t, "site"); h.Status != "starting" || len(h.Log) != 0 {
		t.Errorf("before any check: %+v", h)
	}
	if got := y.check(t, "site", 0, "healthy", 0); got.line() != "look: here" {
		t.Errorf("the check says %q", got.line())
	}
	if got := y.must(t, "wait", "--condition", "healthy", "site"); got != "-1" || !strings.HasSuffix(status(), " (healthy)") {
		t.Errorf("wait prints %q, ps %q", got, status())
	}
	y.must(t, "exec", "site", "sh", "-c", ">/tmp/sick")
	y.check(t, "site", 1, "healthy", 1)
	y.check(t, "site", 1, "unhealthy", 2)
	y.check(t, "site", 1, "unhealthy", 3)
	if got := y.must(t, "ps", "--format", "{{.Names}}", "--filter", "health=unhealthy"); got != "site" || !strings.HasSuffix(status(), " (unhealthy)") {
		t.Errorf("those that are unhealthy: %q; ps: %q", got, status())
	}
	y.must(t, "exec", "site", "busybox", "rm", "/tmp/sick")
	y.check(t, "site", 0, "healthy", 0)
	y.check(t, "site", 0, "healthy", 0)
	h := y.health(t, "site")
	if len(h.Log) != 5 || h.Log[4].Output != "look: here\n" || h.Log[4].End.Before(h.Log[4].Start) || h.Log[0].ExitCode != 1 {
		t.Errorf("the last checks: %+v", h.Log)
	}
	events, err := os.ReadFile(filepath.Join(y.ledger, "events", "json.log"))
	if n := strings.Count(string(events), `"health_status"`); n != 3 || err != nil {
		t.Errorf("%d events of health, want 3: %v\n%s", n, err, events)
	}
	y.must(t, "restart", "-t", "0", "site")
	if h := y.health(t, "site"); h.Status != "starting" || h.FailingStreak != 0 || len(h.Log) != 0 {
		t.Errorf("after a restart: %+v", h)
	}
	y.must(t, "kill", "site")
	y.becomes(t, "site", "exited")
	if got := y.run(t, "healthcheck", "run", "site"); got.code != 1 || !strings.Contains(got.err, "hint:") {
		t.Errorf("a check of one that has ended: exit code %d\n%s", got.code, got.err)
	}
	if h := y.health(t, "site"); h.Status != "unhealthy" {
		t.Errorf("one that has ended: %+v", h)
	}
}

// TestHealthEndsWithAllOfIt: what does not end in time fails and is killed, with
// all that it has started, whatever that has done to get away. What ends leaves
// nothing either, and what it writes is kept in part and as plain text.
func TestHealthEndsWithAllOfIt(t *testing.T) {
	y := newYard(t)
	for what, c := range map[string]struct {
		test, timeout string
		code          int
		begins        string
	}{
		"forks and hangs":  {"for i in 1 2 3; do busybox setsid sh -c 'sleep 600 & sleep 600 & wait' & done; sleep 600", "1s", 1, "Health check exceeded timeout (1s)"},
		"goes on forking":  {"f() { while true; do sleep 600 & busybox usleep 20000; done; }; f & f & wait", "1s", 1, "Health check exceeded timeout (1s)"},
		"never stops":      {"yes", "1s", 1, "Health check exceeded timeout (1s): y\ny\n"},
		"leaves something": {"busybox setsid sleep 600 & sleep 600 & echo done", "1m", 0, "done\n"},
		"is rude":          {`printf 'a\033[2J\377b\r'; exit 9`, "1m", 1, "a\ufffd[2J\ufffdb\n"},
		"is not there":     {"exec /nothing", "1m", 1, ""},
	} {
		t.Run(what, func(t *testing.T) {
			id := y.detach(t, append(byHand, "--health-timeout", c.timeout, "--health-cmd", c.test), "sleep", "600")
			got := y.run(t, "healthcheck", "run", id)
			h := y.health(t, id)
			if got.code != c.code || len(h.Log) != 1 || !strings.HasPrefix(h.Log[0].Output, c.begins) || len(h.Log[0].Output) > 4096 {
				t.Errorf("exit code %d, %.300s\n%s", got.code, fmt.Sprintf("%+v", h), got.err)
			}
			first, err := strconv.Atoi(y.must(t, "inspect", "--format", "{{.State.Pid}}", id))
			if err != nil {
				t.Fatal(err)
			}
			for _, pid := range beside(t, first) {
				// The dead are the first process's to bury, and sleep buries nobody.
				if state := statusOf(t, pid, "State"); state != "" && !strings.HasPrefix(state, "Z") {
					t.Errorf("left of the check: %d, %s %q", pid, state, procFile(pid, "cmdline"))
				}
			}
			if info, err := os.Stat(filepath.Join(y.ledger, id, "health.json")); err != nil || info.Size() > 128<<10 {
				t.Errorf("what is kept: %v, %v", info, err)
			}
			y.must(t, "rm", "-f", id)
		})
	}
}

// TestHealthOfHeldOutput: another process of the same user that has the check's
// output open, and goes on writing to it, stops no check. Under Landlock it would
// not come to have it: neither is below the other's rules (ptrace(2)).
func TestHealthOfHeldOutput(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, append(byHand, "--accept", "landlock", "--health-timeout", "1m", "--health-cmd",
		"echo $$ > /tmp/new; busybox mv /tmp/new /tmp/check; until test -e /tmp/held; do busybox usleep 10000; done; busybox rm /tmp/held; echo done"),
		"sh", "-c", `while true; do
			until test -e /tmp/check; do busybox usleep 10000; done
			read check < /tmp/check; busybox rm /tmp/check; exec 3> /proc/$check/fd/1; > /tmp/held; sleep 600 &
		done`)
	for range 2 {
		if got := y.check(t, id, 0, "healthy", 0); got.line() != "done" {
			t.Errorf("the check says %q", got.line())
		}
	}
	y.must(t, "rm", "-f", id)
}

// settles waits until no check has ended for half a second, and gives when the
// last one did.
func (y *yard) settles(t *testing.T, ref string) time.Time {
	t.Helper()
	last := func() time.Time {
		log := y.health(t, ref).Log
		if len(log) == 0 {
			return time.Time{}
		}
		return log[len(log)-1].End
	}
	was := last()
	for deadline := time.Now().Add(30 * time.Second); ; {
		time.Sleep(500 * time.Millisecond)
		now := last()
		if now.Equal(was) {
			return now
		}
		if was = now; time.Now().After(deadline) {
			t.Fatalf("%s is still being checked", ref)
		}
	}
}

// leastOpen is the least number of files that a supervisor has open while five
// checks are made.
func (y *yard) leastOpen(t *testing.T, id string) int {
	t.Helper()
	dir, least, begun := fmt.Sprintf("/proc/%d/fd", y.supervisorOf(t, id)), 1<<20, time.Now()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		open, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		least = min(least, len(open))
		if time.Since(begun) < 5*100*time.Millisecond {
			continue
		}
		if log := y.health(t, id).Log; len(log) == 5 && log[0].Start.After(begun) {
			return least
		}
	}
	t.Fatalf("no more checks: %+v", y.health(t, id))
	return 0
}

// TestHealthByItself: checks are made one after the other, none while the
// container is paused, and leave nothing open in the supervisor.
func TestHealthByItself(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, []string{"--health-interval", "1ms", "--health-retries", "1", "--health-start-period", "1h", "--health-start-interval", "1ms",
		"--health-cmd", "test ! -e /tmp/sick"}, "sleep", "600")
	y.must(t, "wait", "--condition", "healthy", id)
	y.must(t, "exec", id, "sh", "-c", ">/tmp/sick")
	y.must(t, "wait", "--condition", "unhealthy", id)
	y.must(t, "exec", id, "busybox", "rm", "/tmp/sick")
	y.must(t, "wait", "--condition", "healthy", id)
	y.must(t, "pause", id)
	before := y.settles(t, id)
	if got := y.run(t, "healthcheck", "run", id); got.code != 1 || !strings.Contains(got.err, "is paused") {
		t.Errorf("a check of one that is paused: exit code %d, %q\n%s", got.code, got.out, got.err)
	}
	if at := y.settles(t, id); !at.Equal(before) {
		t.Errorf("a check ended at %v, while the container was paused", at)
	}
	y.must(t, "unpause", id)
	open, now := y.leastOpen(t, id), y.leastOpen(t, id)
	if now >= open+3 {
		t.Errorf("after more checks the supervisor has %d files open, and had %d", now, open)
	}
	if s := y.health(t, id).Status; s != "healthy" {
		t.Errorf("a pause made it %s", s)
	}
	y.must(t, "pause", id)
	y.must(t, "rm", "-f", id) // also while it is paused
}

// TestHealthIsConfinedAsTheFirst: seen from inside, a check has what the first
// process has.
func TestHealthIsConfinedAsTheFirst(t *testing.T) {
	y := newYard(t)
	peek, err := os.ReadFile(built(t).peek)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(y.root, "peek"), peek, 0o755); err != nil {
		t.Fatal(err)
	}
	var looks strings.Builder
	for _, field := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Uid", "Gid", "Groups", "Umask"} {
		looks.WriteString("status " + field + ";")
	}
	for _, ns := range []string{"user", "pid", "ipc", "uts", "mnt", "net", "cgroup"} {
		looks.WriteString("ns " + ns + ";")
	}
	looks.WriteString("id;env;cwd;fds;idmap uid;corelimit;call bpf 0 0 0;read /proc/kcore;write /proc/sys/kernel/hostname;read /proc/self/oom_score_adj")
	script := "unset PWD SHLVL OLDPWD; "
	for look := range strings.SplitSeq(looks.String(), ";") {
		script += "echo " + look + ": $(/peek " + look + "); "
	}
	for name, flags := range map[string][]string{
		"default":                {"-e", "TOKEN=x"},
		"root with a capability": append(profile(t, "process: {root: {allow: true, why: test}, oomScoreAdj: 500}"), "--user", "0", "--cap-add", "NET_BIND_SERVICE"),
	} {
		t.Run(name, func(t *testing.T) {
			id := y.detach(t, append(append(flags, byHand...), "--health-timeout", "10m", "--health-cmd", script), "sh", "-c", script+"echo end; exec sleep 600")
			var first string
			for deadline := time.Now().Add(30 * time.Second); !strings.HasSuffix(first, "\nend"); time.Sleep(50 * time.Millisecond) {
				if first = y.must(t, "logs", id); time.Now().After(deadline) {
					t.Fatalf("the first process says\n%s", first)
				}
			}
			first = strings.TrimSuffix(first, "\nend")
			got := y.check(t, id, 0, "healthy", 0).line()
			a, b := strings.Split(first, "\n"), strings.Split(got, "\n")
			if len(a) < 25 || len(a) != len(b) {
				t.Fatalf("the first process says\n%s\nthe check\n%s", first, got)
			}
			for i := range a {
				if a[i] != b[i] {
					t.Errorf("the check: %s; the first process: %s", b[i], a[i])
				}
			}
			y.must(t, "rm", "-f", id)
		})
	}
}

// TestHealthOfImage: an image's own check is run, unless somebody says
// otherwise; one that is of no kind is an error that names the image.
func TestHealthOfImage(t *testing.T) {
	y := newYard(t)
	t.Setenv("SAFE_RUN_STORE", t.TempDir())
	busybox, err := os.ReadFile(filepath.Join(y.root, "bin/busybox"))
	if err != nil {
		t.Fatal(err)
	}
	layout := filepath.Join(t.TempDir(), "layout")
	for name, test := range map[string][]string{"good": {"CMD", "/bin/busybox", "echo", "of the image"}, "odd": {"TELNET", "localhost"}} {
		img := imagetest.New(spec.ImageConfig{
			Entrypoint: []string{"/bin/busybox", "sleep", "600"},
			Health:     &spec.ImageHealth{Test: test, Interval: time.Hour, Retries: 7},
		}, imagetest.Files{"bin/busybox": {Content: string(busybox), Mode: 0o755}})
		if err := img.Layout(layout, name); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) result {
		t.Helper()
		cmd := y.launch(t, args...)
		cmd.Env = append(cmd.Env, "SAFE_RUN_STORE="+os.Getenv("SAFE_RUN_STORE"))
		return finish(t, cmd)
	}
	if got := run("run", "-d", "--name", "own", "oci:"+layout+":good"); got.code != 0 {
		t.Fatalf("exit code %d\n%s", got.code, got.err)
	}
	if got := y.check(t, "own", 0, "healthy", 0); got.line() != "of the image" {
		t.Errorf("the check says %q", got.line())
	}
	if got := y.must(t, "inspect", "--format", "{{json .Config.Healthcheck.Test}} {{.Config.Healthcheck.Retries}}", "own"); got != `["CMD","/bin/busybox","echo","of the image"] 7` {
		t.Errorf("inspect: %s", got)
	}
	if got := run("run", "-d", "--name", "none", "--no-healthcheck", "oci:"+layout+":good"); got.code != 0 {
		t.Fatalf("exit code %d\n%s", got.code, got.err)
	}
	if got := y.must(t, "ps", "--format", "{{.Names}}", "--filter", "health=none", "--filter", "name=none"); got != "none" {
		t.Errorf("without a check: %q", got)
	}
	if got := run("run", "-d", "oci:"+layout+":odd"); got.code != 125 || !strings.Contains(got.err, `:odd: its health check is of the kind "TELNET"`) || !strings.Contains(got.err, "--no-healthcheck") {
		t.Errorf("a check of no kind: exit code %d\n%s", got.code, got.err)
	}
	if got := run("explain", "oci:"+layout+":good"); !strings.Contains(got.out, "health check") || !strings.Contains(got.out, "health.test") || !strings.Contains(got.out, "(-d)") {
		t.Errorf("explain: exit code %d\n%s%s", got.code, got.out, got.err)
	}
	if got := run("run", "--health-cmd", "true", "oci:"+layout+":good"); got.code != 125 || !strings.Contains(got.err, "add -d") {
		t.Errorf("a check of one in the foreground: exit code %d\n%s", got.code, got.err)
	}
}
