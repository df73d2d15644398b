package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// toldEvent is an event as --format json has it.
type toldEvent struct {
	Action string
	Actor  struct {
		ID         string
		Attributes map[string]string
	}
}

// String is the action with what it is about.
func (e toldEvent) String() string {
	for _, key := range []string{"signal", "exitCode", "oldName"} {
		if value, ok := e.Actor.Attributes[key]; ok {
			return e.Action + " " + value
		}
	}
	return e.Action
}

// tells gives what has happened to a container so far.
func (y *yard) tells(t *testing.T, id string) string {
	t.Helper()
	var events []string
	for line := range strings.Lines(y.must(t, "events", "--since", "24h", "--until", "0s", "--filter", "container="+id, "--format", "json")) {
		var e toldEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil || !strings.HasPrefix(e.Actor.ID, id) && e.Actor.Attributes["name"] != id {
			t.Fatalf("%s: %v", line, err)
		}
		events = append(events, e.String())
	}
	return strings.Join(events, ", ")
}

// willTell waits until that is what has happened.
func (y *yard) willTell(t *testing.T, id, want string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = y.tells(t, id); got == want {
			return
		}
	}
	t.Errorf("told:\n%s\nwant:\n%s", got, want)
}

// TestEvents: what docker events says of the same commands, in the same order,
// but for what concerns docker's networks:
//
//	run -d      create, start
//	restart     kill 15, die, stop, start, restart
//	pause ...   pause, unpause
//	exec        exec_create, exec_start, exec_die
//	rename      rename (and docker has a slash before oldName)
//	update      update
//	kill        kill 9, die 137
//	start       start
//	stop        kill 15, die, stop
//	rm          destroy
func TestEvents(t *testing.T) {
	y := newYard(t)
	name := fmt.Sprintf("told-%d", os.Getpid())
	id := y.detach(t, []string{"--name", name, "--label", "kind=web", "--label", "exitCode=7"}, "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done")
	y.must(t, "restart", "-t", "20", name)
	y.must(t, "pause", name)
	y.must(t, "unpause", name)
	if got := y.run(t, "exec", name, "sh", "-c", "exit 5"); got.code != 5 {
		t.Fatalf("exec: %+v", got)
	}
	y.must(t, "rename", name, name+"-2")
	y.must(t, "update", "--memory", "100m", name+"-2")
	y.must(t, "kill", name+"-2")
	y.must(t, "start", name+"-2")
	y.must(t, "stop", "-t", "20", name+"-2")
	y.must(t, "rm", name+"-2")
	const want = "create 7, start 7, " + // the label, where the event has none of its own
		"kill 15, die 3, stop 7, start 7, restart 7, pause 7, unpause 7, exec_create 7, exec_start 7, exec_die 5, rename 7, update 7, " +
		"kill 9, die 137, start 7, kill 15, die 3, stop 7, destroy 7"
	if got := y.tells(t, id); got != want {
		t.Errorf("told:\n%s\nwant:\n%s", got, want)
	}
	text := y.must(t, "events", "--since", "24h", "--until", "0s", "--filter", "label=kind=web", "--filter", "event=rename", "--filter", "type=container")
	if want := " container rename " + id + " (exitCode=7, image=dir:" + y.root + ", kind=web, name=" + name + "-2, oldName=" + name + ", profile=default)"; !strings.HasSuffix(text, want) || strings.Contains(text, "\n") {
		t.Errorf("as text: %q\nwant ...%q", text, want)
	}
}

// TestEventsOfTheForeground: told of too, whoever ends them.
func TestEventsOfTheForeground(t *testing.T) {
	y := newYard(t)
	name := fmt.Sprintf("fore-told-%d", os.Getpid())
	if got := y.run(t, "--name", name, "dir:"+y.root, "sh", "-c", "exit 4"); got.code != 4 {
		t.Fatalf("%+v", got)
	}
	y.willTell(t, name, "create, start, die 4, destroy")
	if got := y.run(t, "--name", name+"-none", "dir:"+y.root, "nothing-of-the-kind"); got.code != 127 {
		t.Fatalf("%+v", got)
	}
	y.willTell(t, name+"-none", "")
	y.run(t, "--name", name+"-oom", "--memory", "20m", "dir:"+y.root, "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
	y.willTell(t, name+"-oom", "create, start, oom, die 137, destroy")

	// One whose launcher is killed is told of by its warden.
	cmd := y.launch(t, "--name", name+"-orphan", "dir:"+y.root, "sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	y.becomes(t, name+"-orphan", "running")
	y.willTell(t, name+"-orphan", "create, start")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	y.willTell(t, name+"-orphan", "create, start, die 137, destroy")
}

// TestEventsOfADeadSupervisor: its warden tells how it ended, and who is
// attached and removed with --rm is told of in between.
func TestEventsOfADeadSupervisor(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, nil, "sleep", "100")
	if err := syscall.Kill(y.supervisorOf(t, id), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	y.willTell(t, id, "create, start, die 137")
	y.must(t, "rm", "-f", id)
	y.willTell(t, id, "create, start, die 137, destroy")
	id = y.detach(t, []string{"--rm", "-i"}, "sh", "-c", "read line; exit 6")
	cmd := y.launch(t, "attach", id)
	cmd.Stdin = strings.NewReader("go\n")
	if got := finish(t, cmd); got.code != 6 {
		t.Errorf("attach: %+v", got)
	}
	y.willTell(t, id, "create, start, attach, die 6, destroy")
}

// TestEventsFollowed: what happens is printed as it happens, until its time has
// come, and what was written by others cannot move the cursor.
func TestEventsFollowed(t *testing.T) {
	y := newYard(t)
	y.detach(t, []string{"--label", "odd=a\x1b[2Jb"}, "true")
	r, first := begin(t, y.launch(t, "events", "--since", "24h", "--filter", "event=create", "--format", "{{.Action}} {{.Actor.Attributes.odd}}"))
	if first != `create a\x1b[2Jb` {
		t.Errorf("the first line: %q", first)
	}
	y.detach(t, []string{"--label", "odd=later"}, "true")
	if line := r.next(t); line != "create later" {
		t.Errorf("the second line: %q", line)
	}
	r.end(t, syscall.SIGKILL)
}
