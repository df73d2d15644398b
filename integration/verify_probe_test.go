package integration

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/battery"
)

// probeLine is one line that safe-run-probe writes.
type probeLine struct {
	ID      string            `json:"id"`
	Verdict string            `json:"verdict"`
	Errno   string            `json:"errno"`
	Signal  string            `json:"signal"`
	Marker  bool              `json:"marker"`
	Effect  bool              `json:"effect"`
	Detail  string            `json:"detail"`
	Parts   []probePart       `json:"parts"`
	Info    map[string]string `json:"info"`
	Begin   string            `json:"begin"`
	End     *struct{ Probes int }
}

type probePart struct {
	Name, Verdict, Errno, Signal, Detail string
}

// theLimits are the default profile's, as the probe is told of them.
const theLimits = "memory=536870912,pids=128,nofile=4096,cpu=1000,tmpfs=/tmp:67108864:16384"

func probeProgram(t *testing.T) string {
	t.Helper()
	return filepath.Join(filepath.Dir(built(t).safeRun), "safe-run-probe")
}

// attacked runs the probe in a container.
func attacked(t *testing.T, flags []string, args ...string) (result, []probeLine) {
	t.Helper()
	r := safeRun(t, slices.Concat(flags, []string{probeProgram(t), "run"}, args)...)
	return r, probeLines(t, r.out)
}

func probeLines(t *testing.T, out string) []probeLine {
	t.Helper()
	var lines []probeLine
	for line := range strings.Lines(out) {
		var p probeLine
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		lines = append(lines, p)
	}
	return lines
}

func probeIDs(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command(probeProgram(t), "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ ID string }
	if err := json.Unmarshal(out, &rows); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	return ids
}

// TestBatteryTable: the program and the table name the same attacks.
func TestBatteryTable(t *testing.T) {
	needRoot(t)
	var table []string
	for _, p := range battery.Probes() {
		table = append(table, p.ID)
	}
	program := probeIDs(t)
	slices.Sort(table)
	slices.Sort(program)
	if !slices.Equal(table, program) {
		t.Errorf("the table has\n%v\nand the program\n%v", table, program)
	}
}

// TestBatteryInside: every attack is tried in a container of the default
// profile, and each ends as it is meant to.
func TestBatteryInside(t *testing.T) {
	needRoot(t)
	// What the default profile allows on purpose: programs that compile as they
	// run write code and run it.
	allowed := []string{"X14"}
	// What is seen from outside only.
	outside := []string{"M18", "N15", "R06"}
	r, lines := attacked(t, nil, "--skip", "R02", "--limits", theLimits)
	if r.code != 0 {
		t.Fatalf("ended with %d: %s", r.code, r.err)
	}
	verdicts := map[string]probeLine{}
	for _, line := range lines {
		if line.ID != "" {
			verdicts[line.ID] = line
		}
	}
	if len(lines) == 0 || lines[0].Info["kernel"] == "" || lines[len(lines)-1].End == nil {
		t.Error("the first line is not of facts, or the last not the end")
	}
	for _, id := range probeIDs(t) {
		got, ok := verdicts[id]
		want := []string{"blocked", "absent"}
		switch {
		case id == "R02":
			continue
		case slices.Contains(allowed, id):
			want = []string{"allowed"}
		case slices.Contains(outside, id):
			want = []string{"not-run"}
		case id == "R05": // one processor cannot use up a quota of one
			want = []string{"blocked", "not-run"}
		}
		if !ok {
			t.Errorf("%s is missing", id)
		} else if !slices.Contains(want, got.Verdict) {
			t.Errorf("%s is %s, want %v: %s %s: %s %+v", id, got.Verdict, want, got.Errno, got.Signal, got.Detail, got.Parts)
		}
	}
}

// TestBatteryMemory: the attack on memory ends the container, where limits are
// the container's as a whole; that it was tried is written before.
func TestBatteryMemory(t *testing.T) {
	needRoot(t)
	r, lines := attacked(t, []string{"-m", "64m"}, "--only", "R02", "--limits", "memory=67108864")
	last := lines[len(lines)-1]
	if r.code == 0 && len(lines) > 1 {
		last = lines[len(lines)-2]
		if last.ID != "R02" || last.Verdict != "blocked" || last.Signal != "SIGKILL" {
			t.Errorf("%+v, want it killed", last)
		}
		return
	}
	if last.Begin != "R02" || r.code != 137 || !strings.Contains(r.err, "out of memory") {
		t.Errorf("ended with %d after %+v: %s", r.code, last, r.err)
	}
}

// TestSecondLayers: where the filter lets the call through, the sysctl behind
// it refuses, and a profile that names the call has it whole.
func TestSecondLayers(t *testing.T) {
	needRoot(t)
	for _, c := range []struct{ allow, id, want, errno string }{
		{"@memfd", "X12", "blocked", "EACCES"},
		{"memfd_create", "X12", "allowed", ""},
		{"fanotify_init", "K11", "allowed", ""},
	} {
		_, lines := attacked(t, profile(t, "seccomp: {allow: [{name: '"+c.allow+"', why: test}]}"), "--only", c.id)
		i := slices.IndexFunc(lines, func(l probeLine) bool { return l.ID == c.id })
		if i < 0 || lines[i].Verdict != c.want || lines[i].Errno != c.errno {
			t.Errorf("with %s allowed, %s is %+v, want %s %s", c.allow, c.id, lines[max(i, 0)], c.want, c.errno)
		}
	}
}
