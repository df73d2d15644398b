package integration

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestPause: nothing runs in a paused container, and nothing is lost in it.
func TestPause(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t)
	first := inside(t, r)
	if got := safeRun(t, "pause", container); got.line() != container || got.code != 0 {
		t.Fatalf("pause: exit code %d, %q\n%s", got.code, got.out, got.err)
	}
	if got := safeRun(t, "inspect", "--format", "{{.State.Status}}", container); got.line() != "paused" {
		t.Errorf("inspect: %q\n%s", got.out, got.err)
	}
	for _, verb := range [][]string{{"pause", container}, {"exec", container, "/peek", "id"}} {
		if got := safeRun(t, verb...); got.code == 0 || !strings.Contains(got.err, "paused") || !strings.Contains(got.err, "hint: ") {
			t.Errorf("%v: exit code %d\n%s", verb, got.code, got.err)
		}
	}
	if got := safeRun(t, "unpause", container); got.line() != container {
		t.Errorf("unpause: %q\n%s", got.out, got.err)
	}
	if got := safeRun(t, "exec", container, "/peek", "id"); got.code != 0 {
		t.Errorf("exec: exit code %d\n%s", got.code, got.err)
	}
	if state := statusOf(t, first, "State"); !strings.HasPrefix(state, "S") {
		t.Errorf("the first process: %q", state)
	}
	// One that is paused ends all the same.
	safeRun(t, "pause", container)
	r.end(t, syscall.SIGKILL)
}

// TestTopAndStats: what they show is the container's, and only that.
func TestTopAndStats(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t, "--memory", "200m")
	first := inside(t, r)
	exec, _ := begin(t, launcher(t, "exec", container, "/peek", "then-sleep", "spin", "4s"))
	var top struct{ Processes [][]string }
	got := safeRun(t, "--format", "json", "top", container, "-o", "pid,args")
	if err := json.Unmarshal([]byte(got.out), &top); err != nil || len(top.Processes) < 2 || top.Processes[0][0] != strconv.Itoa(first) || !strings.HasPrefix(top.Processes[0][1], "/peek sleep") {
		t.Errorf("top: %v\n%s%s", err, got.out, got.err)
	}
	if got := safeRun(t, "top", container); !strings.Contains(got.out, "PID") || strings.Count(got.out, "/peek") != strings.Count(got.out, "\n")-1 {
		t.Errorf("top shows others:\n%s%s", got.out, got.err)
	}
	var stats []map[string]string
	got = safeRun(t, "stats", "--no-stream", "--format", "json", container)
	if err := json.Unmarshal([]byte(got.out), &stats); err != nil || len(stats) != 1 {
		t.Fatalf("stats: %v\n%s%s", err, got.out, got.err)
	}
	if s := stats[0]; s["Name"] != container || !strings.HasSuffix(s["MemUsage"], " / 200MiB") || s["PIDs"] == "0" || !strings.HasSuffix(s["CPUPerc"], "%") {
		t.Errorf("stats: %v", s)
	}
	if got := safeRun(t, "stats", "--no-stream", "--format", "table {{.Name}}\t{{.MemUsage}}"); !strings.HasPrefix(got.out, "NAME ") || !strings.Contains(got.out, container+" ") {
		t.Errorf("stats of all: %q\n%s", got.out, got.err)
	}
	exec.end(t, syscall.SIGKILL)
	r.end(t, syscall.SIGTERM)
}

// TestUpdate: a limit that is changed holds at once, for further processes too,
// and is what inspect says.
func TestUpdate(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t)
	first := inside(t, r)
	// A second limit, twice the first, is that of the processes that run.
	if got := safeRun(t, "update", "--pids-limit", "100000", container); got.code == 0 || !strings.Contains(got.err, "RLIMIT_NPROC") {
		t.Errorf("update beyond the limit of a user: %d, %s", got.code, got.err)
	}
	if got := safeRun(t, "update", "--memory", "100m", "--cpus", "0.5", "--pids-limit", "30", container); got.line() != container || got.code != 0 {
		t.Fatalf("exit code %d, %q\n%s", got.code, got.out, got.err)
	}
	want := map[string]string{"memory": strconv.Itoa(100 << 20), "pids": "30"}
	for name, limit := range limits(t, first) {
		if w, asked := want[name]; asked && limit != w {
			t.Errorf("%s is %s, want %s", name, limit, w)
		}
	}
	got := safeRun(t, "inspect", "--format", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}", container)
	if got.line() != fmt.Sprint(100<<20, " ", 500000000, " ", 30) {
		t.Errorf("inspect: %q\n%s", got.out, got.err)
	}
	if got := safeRun(t, "exec", container, "/peek", "fork", "40"); strings.Contains(got.out, "40") && got.code == 0 && got.err == "" {
		t.Errorf("40 processes where 30 may be: %q", got.out)
	}
	if got := safeRun(t, "update", "--memory", "1k", container); got.code == 0 || !strings.Contains(got.err, "hint: ") {
		t.Errorf("less than it uses: exit code %d\n%s", got.code, got.err)
	}
	r.end(t, syscall.SIGTERM)
}

// TestInspect: docker's names, the plan's decisions, and the first process.
func TestInspect(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, container := named(t, "--profile", "web", "-p", "127.0.0.1:0:80", "-e", "A=1", "--label", "job=x", "--tmpfs", "/data")
	got := safeRun(t, "inspect", container)
	var all []struct {
		ID         string `json:"Id"`
		Name, Path string
		State      struct{ Pid int }
		Config     struct{ Env []string }
		Mounts     []struct{ Destination string }
		SafeRun    struct {
			Profile   string
			Decisions []struct{ Setting string }
		}
		NetworkSettings struct {
			Ports map[string][]struct{ HostPort string }
		}
	}
	if err := json.Unmarshal([]byte(got.out), &all); err != nil || len(all) != 1 {
		t.Fatalf("%v\n%s%s", err, got.out, got.err)
	}
	i := all[0]
	if i.Name != "/"+container || i.Path != "/peek" || i.State.Pid != inside(t, r) || i.SafeRun.Profile != "web" || len(i.SafeRun.Decisions) < 10 {
		t.Errorf("%+v", i)
	}
	if !strings.Contains(strings.Join(i.Config.Env, " "), "A=1") {
		t.Errorf("env %v", i.Config.Env)
	}
	ports := i.NetworkSettings.Ports["80/tcp"]
	if len(ports) != 1 || ports[0].HostPort == "0" {
		t.Fatalf("ports %v", i.NetworkSettings.Ports)
	}
	if got := safeRun(t, "port", container, "80"); got.line() != "127.0.0.1:"+ports[0].HostPort {
		t.Errorf("port: %q\n%s", got.out, got.err)
	}
	// By the beginning of its id, too, but not of nothing.
	for _, ref := range []string{i.ID, i.ID[:10]} {
		if got := safeRun(t, "inspect", "-f", "{{.Id}}", ref); got.line() != i.ID {
			t.Errorf("%s: %q\n%s", ref, got.out, got.err)
		}
	}
	if got := safeRun(t, "exec", "", "/peek", "id"); got.code != 125 {
		t.Errorf("a container without a name: exit code %d", got.code)
	}
	r.end(t, syscall.SIGTERM)
}

// TestRename: the name is another at once, for every verb, and what runs in the
// foreground keeps its own.
func TestRename(t *testing.T) {
	y := newYard(t)
	y.detach(t, []string{"--name", "old"}, "sleep", "300")
	y.must(t, "rename", "old", "new")
	y.must(t, "exec", "new", "true")
	if got := y.run(t, "exec", "old", "true"); got.code != 125 || !strings.Contains(got.err, "no container") {
		t.Errorf("by the name that it had: exit code %d\n%s", got.code, got.err)
	}
	y.must(t, "stop", "-t", "0", "new")
	for _, args := range [][]string{{"exec", "new", "true"}, {"pause", "new"}, {"top", "new"}, {"stats", "--no-stream", "new"}, {"port", "new"}} {
		if got := y.run(t, args...); got.code == 0 || !strings.Contains(got.err, "new does not run\nhint: ") {
			t.Errorf("%v when it has ended: exit code %d\n%s", args, got.code, got.err)
		}
	}
	if got := y.must(t, "inspect", "-f", "{{.Name}} {{.State.Status}} {{.State.ExitCode}}", "new"); got != "/new exited 137" {
		t.Errorf("inspect: %q", got)
	}
	if got := y.must(t, "ps", "-a", "--filter", "name=new", "--format", "table {{.Names}}\\t{{.State}}"); got != "NAMES     STATE\nnew       exited" {
		t.Errorf("ps: %q", got)
	}
	r, container := named(t)
	if got := y.run(t, "rename", container, "other"); got.code != 1 || !strings.Contains(got.err, "foreground") {
		t.Errorf("in the foreground: exit code %d\n%s", got.code, got.err)
	}
	r.end(t, syscall.SIGTERM)
}

// TestExecInDetached: a container that nobody sits in front of is joined as
// any other, again and again, and is shown as paused while it is.
func TestExecInDetached(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, nil, "sleep", "300")
	for i := range 20 {
		if got := y.run(t, "exec", id[:12], "sh", "-c", "exit "+strconv.Itoa(i)); got.code != i || got.err != "" {
			t.Fatalf("exit code %d, want %d\n%s", got.code, i, got.err)
		}
	}
	y.must(t, "pause", id)
	if s := y.see(t, id); s.Status != "paused" {
		t.Errorf("paused: %+v", s)
	}
	y.must(t, "unpause", id)
	if s := y.see(t, id); s.Status != "running" {
		t.Errorf("unpaused: %+v", s)
	}
}
