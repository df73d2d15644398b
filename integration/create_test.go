package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestCreate: all is checked when it is created; it stays until it is started,
// and whoever is attached then misses nothing.
func TestCreate(t *testing.T) {
	y := newYard(t)
	name := fmt.Sprintf("made-%d", os.Getpid())
	for _, test := range []struct{ args, want string }{
		{"--profile /nowhere.yaml dir:" + y.root + " true", "nowhere.yaml"},
		{"dir:/nowhere true", "there is no"},
		{"--pid host dir:" + y.root + " true", "is refused"},
		{"--name a/b dir:" + y.root + " true", "cannot be used"},
		{"-d dir:" + y.root + " true", "create has no --detach"},
		{"--rm --restart always dir:" + y.root + " true", "--rm removes"},
	} {
		got := y.run(t, append([]string{"create"}, strings.Fields(test.args)...)...)
		if got.code == 0 || !strings.Contains(got.err, test.want) || !strings.Contains(got.err, "hint: ") || got.out != "" {
			t.Errorf("create %s: %+v", test.args, got)
		}
	}
	if ids := y.ids(); len(ids) > 0 {
		t.Fatalf("left in the ledger: %q", ids)
	}
	id := y.must(t, "create", "--name", name, "-i", "dir:"+y.root, "sh", "-c", "cat; echo err >&2; exit 7")
	if s := y.see(t, name); s.ID != id || s.Status != "created" || s.Command == "" {
		t.Errorf("ps -a: %+v", s)
	}
	if got := y.must(t, "ps", "-q", "--filter", "name="+name); got != "" {
		t.Errorf("ps: %q", got)
	}
	for _, args := range [][]string{{"create", "--name", name}, {"run", "--name", name}, {"run", "-d", "--name", name}} {
		if got := y.run(t, append(args, "dir:"+y.root, "true")...); got.code == 0 || !strings.Contains(got.err, "is in use") {
			t.Errorf("%v: %+v", args, got)
		}
	}
	y.must(t, "gc")
	for range 3 { // nothing is missed, however short it is
		cmd := y.launch(t, "start", "-a", "-i", name)
		cmd.Stdin = strings.NewReader("in\n") // and its end
		if got := finish(t, cmd); got.code != 7 || got.out != "in\n" || got.err != "err\n" {
			t.Errorf("start -ai: %+v", got)
		}
	}
	if s := y.see(t, name); s.Status != "exited" || s.ExitCode != 7 {
		t.Errorf("afterwards: %+v", s)
	}
	if got := y.run(t, "start", "-a", name, "another"); got.code != 125 || !strings.Contains(got.err, "for one container") {
		t.Errorf("two of them: %+v", got)
	}
	y.must(t, "rm", name)
}

// TestStartAttachedSignals: a signal to start -a is the container's, and so is
// the exit code.
func TestStartAttachedSignals(t *testing.T) {
	y := newYard(t)
	id := y.must(t, "create", "dir:"+y.root, "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done")
	r, first := begin(t, y.launch(t, "start", "--attach", id))
	if first != "ready" {
		t.Errorf("%q", first)
	}
	if got := r.end(t, syscall.SIGTERM); got.code != 9 {
		t.Errorf("%+v, want the exit code of the container", got)
	}
	y.willTell(t, id, "create, attach, start, kill 15, die 9")
}

// TestStartAll: those of a restart policy that do not run, but not what somebody
// has stopped, unless it is to run always.
func TestStartAll(t *testing.T) {
	y := newYard(t)
	made := map[string]string{}
	for _, policy := range []string{"no", "always", "unless-stopped"} {
		made[policy] = y.must(t, "create", "--name", "all-"+policy, "--restart", policy, "dir:"+y.root, "sleep", "100")
	}
	running := func(want ...string) {
		t.Helper()
		names := strings.Fields(y.must(t, "ps", "--filter", "name=all-", "--format", "{{.Names}}"))
		if slices.Sort(names); !slices.Equal(names, want) {
			t.Errorf("running: %q, want %q", names, want)
		}
	}
	if got := y.must(t, "start", "--all", "--filter", "restart-policy=unless-stopped"); got != "all-unless-stopped" {
		t.Errorf("started %q", got)
	}
	running("all-unless-stopped")
	y.must(t, "start", "--all", "--filter", "restart-policy=always")
	running("all-always", "all-unless-stopped")
	y.must(t, "stop", "-t", "0", "all-always", "all-unless-stopped")
	y.must(t, "start", "--all")
	running("all-always", "all-no")
	if got := y.run(t, "start", "--filter", "name=x", "all-no"); got.code != 125 || !strings.Contains(got.err, "hint: add --all") {
		t.Errorf("--filter alone: %+v", got)
	}
}

// TestForegroundIsCreatedFirst: nothing is listed as running that has no command
// yet.
func TestForegroundIsCreatedFirst(t *testing.T) {
	y := newYard(t)
	name := fmt.Sprintf("first-%d", os.Getpid())
	var over atomic.Bool
	done := make(chan int)
	go func() {
		ran := 0
		for range 8 {
			cmd := y.launch(t, "--name", name, "dir:"+y.root, "sleep", "0.1")
			if cmd.Run() == nil {
				ran++
			}
		}
		over.Store(true)
		done <- ran
	}()
	statuses := map[string]int{}
	for !over.Load() {
		if s := y.see(t, name); s.ID != "" {
			if statuses[s.Status]++; s.Status != "created" && s.Status != "running" || s.Status == "running" && s.Command != "sleep 0.1" {
				t.Errorf("%+v", s)
			}
		}
	}
	if ran := <-done; ran != 8 || statuses["running"] == 0 {
		t.Errorf("%d ran, seen as %v", ran, statuses)
	}
}

// TestRenameRunning: the old name is free at once, the new one is not, and a
// start under the new name works.
func TestRenameRunning(t *testing.T) {
	y := newYard(t)
	old := fmt.Sprintf("was-%d", os.Getpid())
	name := fmt.Sprintf("is-%d", os.Getpid())
	id := y.detach(t, []string{"--name", old}, "sleep", "100")
	y.must(t, "rename", old, name)
	y.must(t, "run", "--name", old, "dir:"+y.root, "true")
	for _, flags := range [][]string{{"--name", name}, {"-d", "--name", name}} {
		if got := y.run(t, append(append([]string{"run"}, flags...), "dir:"+y.root, "true")...); got.code != 125 || !strings.Contains(got.err, "is in use") {
			t.Errorf("%v: %+v", flags, got)
		}
	}
	if got, err := os.ReadFile("/run/safe-run/names/" + name); err != nil || string(got) != id {
		t.Errorf("the claim: %q, %v", got, err)
	}
	r, _ := begin(t, y.launch(t, "run", "--name", old, "dir:"+y.root, "sh", "-c", "echo up; exec sleep 100"))
	if got := y.run(t, "rename", name, old); got.code == 0 || !strings.Contains(got.err, "is in use") {
		t.Errorf("to the name of one in the foreground: %+v", got)
	}
	y.must(t, "restart", "-t", "0", name)
	y.must(t, "stop", "-t", "0", name)
	if got := y.run(t, "rename", name, old); got.code == 0 || !strings.Contains(got.err, "is in use") || y.see(t, name).ID != id {
		t.Errorf("when it has ended, too: %+v", got)
	}
	r.end(t, syscall.SIGTERM)
	y.must(t, "rename", name, old)
	y.must(t, "start", old)
	y.must(t, "rm", "-f", old)
	for _, name := range []string{old, name} {
		if _, err := os.Lstat("/run/safe-run/names/" + name); err == nil {
			t.Errorf("the name %s is still taken", name)
		}
	}
}

// TestUpdateStays: limits that were changed hold after a restart, too, whether it
// ran when they were.
func TestUpdateStays(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, []string{"--memory", "200m"}, "sleep", "100")
	check := func(when, memory, pids string) {
		t.Helper()
		pid, err := strconv.Atoi(y.must(t, "inspect", "-f", "{{.State.Pid}}", id))
		if err != nil {
			t.Fatal(err)
		}
		if got := limits(t, pid); got["memory"] != memory || got["pids"] != pids {
			t.Errorf("%s: %v, want %s and %s", when, got, memory, pids)
		}
		if got := y.must(t, "inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}", id); got != memory+" "+pids {
			t.Errorf("%s: inspect says %s", when, got)
		}
	}
	y.must(t, "update", "--memory", "100m", "--pids-limit", "40", id)
	check("at once", "104857600", "40")
	y.must(t, "restart", "-t", "0", id)
	check("after a restart", "104857600", "40")
	y.must(t, "stop", "-t", "0", id)
	y.must(t, "update", "--pids-limit", "50", "--restart", "on-failure:2", id)
	if got := y.must(t, "inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy}}", id); got != "104857600 50 {on-failure 2}" {
		t.Errorf("when it has ended, inspect says %s", got)
	}
	y.must(t, "start", id)
	check("after a start", "104857600", "50")
}

// TestInspectOfTheEnded: one that was only created, one that runs and one that has
// ended are described in the same shape, with the plan of the last run.
func TestInspectOfTheEnded(t *testing.T) {
	y := newYard(t)
	id := y.must(t, "create", "-e", "A=b", "--tmpfs", "/scratch", "dir:"+y.root, "sleep", "100")
	shapes := map[string]string{}
	for _, step := range []struct{ status, verb string }{{"created", "start"}, {"running", "kill"}, {"exited", ""}} {
		var all []map[string]any
		if err := json.Unmarshal([]byte(y.must(t, "inspect", id)), &all); err != nil || len(all) != 1 {
			t.Fatal(err)
		}
		one := all[0]
		if status := one["State"].(map[string]any)["Status"]; status != step.status {
			t.Errorf("status %v, want %s", status, step.status)
		}
		shapes[step.status] = strings.Join(shapeOf("", one), "\n")
		if mounts, err := json.Marshal(one["Mounts"]); err != nil || !strings.Contains(string(mounts), "/scratch") {
			t.Errorf("%s: mounts %s", step.status, mounts)
		}
		if env, err := json.Marshal(one["Config"]); err != nil || !strings.Contains(string(env), `"A=b"`) {
			t.Errorf("%s: config %s", step.status, env)
		}
		if step.verb != "" {
			y.must(t, step.verb, id)
		}
	}
	for _, status := range []string{"created", "exited"} {
		if shapes[status] != shapes["running"] {
			t.Errorf("%s has\n%s\nand one that runs\n%s", status, shapes[status], shapes["running"])
		}
	}
}

// shapeOf lists the names in an object and in those in it; what is empty has
// none.
func shapeOf(prefix string, object map[string]any) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		names = append(names, prefix+name)
		if inner, ok := object[name].(map[string]any); ok && name != "Decisions" {
			names = append(names, shapeOf(prefix+name+".", inner)...)
		}
	}
	return names
}

// TestContainerPrune: what does not run goes, when it is old enough and not
// excepted, and nothing before somebody has agreed.
func TestContainerPrune(t *testing.T) {
	y := newYard(t)
	running := y.detach(t, []string{"--label", "job"}, "sleep", "100")
	kept := y.must(t, "create", "--label", "keep", "--label", "job", "dir:"+y.root, "true")
	ended := y.detach(t, []string{"--label", "job"}, "true")
	y.must(t, "wait", ended)
	if got := y.run(t, "container", "prune"); got.code == 0 || !strings.Contains(got.err, "nothing was removed") {
		t.Errorf("without an answer: %+v", got)
	}
	y.must(t, "container", "prune", "-f", "--filter", "until=1h")
	if got := len(y.ids()); got != 3 {
		t.Errorf("young ones went: %d are left", got)
	}
	got := y.must(t, "container", "prune", "-f", "--filter", "label!=keep", "--filter", "label=job")
	if !strings.HasPrefix(got, "Deleted Containers:\n"+ended+"\n\nTotal reclaimed space: ") || strings.Contains(got, running) || strings.Contains(got, kept) {
		t.Errorf("prune prints %q", got)
	}
	cmd := y.launch(t, "container", "prune")
	cmd.Stdin = strings.NewReader("y\n")
	if got := finish(t, cmd); got.code != 0 || !strings.Contains(got.out, kept) {
		t.Errorf("with an answer: %+v", got)
	}
	if ids := strings.Join(y.ids(), " "); ids != running {
		t.Errorf("left: %s", ids)
	}
}

// TestNeededImage: the image of a container that was created or has ended stays.
func TestNeededImage(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	name := h.name("app:1")
	h.push("app:1", withPeek(t, "app"))
	m.must("pull", "-q", name)
	container := fmt.Sprintf("needs-%d", os.Getpid())
	verb := func(args ...string) result { return finish(t, m.launcher(args...)) }
	if got := verb("create", "--name", container, name); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	defer verb("rm", "-f", container)
	for _, status := range []string{"created", "exited"} {
		if got := m.image("rm", name); got.code == 0 || !strings.Contains(got.err, "is needed by the container "+container) || !strings.Contains(got.err, status) {
			t.Errorf("rm of what one that is %s needs: %+v", status, got)
		}
		if got := m.image("prune", "-a"); got.code != 0 || strings.Contains(got.out, "removed") {
			t.Errorf("prune -a: %+v", got)
		}
		if got := verb("start", "-a", container); got.code != 0 || got.line() != "app" {
			t.Errorf("start -a: %+v", got)
		}
	}
	if got := verb("rm", container); got.code != 0 {
		t.Errorf("%+v", got)
	}
	m.must("rm", name)
}
