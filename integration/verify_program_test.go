package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBatteryArguments: what cannot be read is refused before anything is tried.
func TestBatteryArguments(t *testing.T) {
	needRoot(t)
	for _, args := range [][]string{
		nil, {"attack"}, {"run", "--only"}, {"run", "--marker", "EPERM"}, {"run", "--marker", "0"}, {"list", "--only", "M01"},
		{"run", "--limits", "memory=much"}, {"run", "--limits", "memory=-1"}, {"run", "--limits", "pids=1x"}, {"run", "--limits", "nonsense=1"},
		{"run", "--limits", "memory=99999999999999999999999"}, {"run", "--limits", "tmpfs=/tmp"}, {"run", "--limits", "tmpfs=/tmp:1"},
		{"run", "--limits", "tmpfs=tmp:1:1"}, {"run", "--limits", "tmpfs=/" + strings.Repeat("a", 300) + ":1:1"},
		{"run", "--limits", "@/proc/self/nx"}, {"run", "--limits", strings.Repeat("pids=1,", 400)},
	} {
		cmd := exec.Command(probeProgram(t), args...)
		out, err := cmd.Output()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 2 || len(out) > 0 {
			t.Errorf("%q: %v, exit code %d, wrote %q", args, err, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// TestBatteryMarker: the error that a filter was told to give is told from the
// kernel's own.
func TestBatteryMarker(t *testing.T) {
	needRoot(t)
	_, lines := attacked(t, nil, "--only", "M01,M11,R08", "--marker", "38") // ENOSYS
	want := map[string]bool{"M01": false, "M11": true, "R08": false}
	for _, line := range lines {
		if marked, asked := want[line.ID]; asked && line.Marker != marked {
			t.Errorf("%s %s: marker is %v", line.ID, line.Errno, line.Marker)
		}
	}
	if len(lines) != len(want)+2 {
		t.Errorf("%d lines, want three between the facts and the end", len(lines))
	}
}

// TestBatteryHostileNames: what a container can choose is data in a report, and
// nothing else.
func TestBatteryHostileNames(t *testing.T) {
	needRoot(t)
	name := "/a\"},{\\é"
	host := t.TempDir()
	if err := os.Chmod(host, 0o777); err != nil {
		t.Fatal(err)
	}
	_, lines := attacked(t, []string{"-v", host + ":" + name}, "--only", "M14")
	i := slices.IndexFunc(lines, func(l probeLine) bool { return l.ID == "M14" })
	if i < 0 {
		t.Fatalf("no line of M14: %+v", lines)
	}
	if lines[i].Verdict != "allowed" || !strings.Contains(lines[i].Detail, "/a\"},{\\134") || !strings.Contains(lines[i].Detail, filepath.Base(host)) {
		t.Errorf("a writable directory of the host is %s: %q", lines[i].Verdict, lines[i].Detail)
	}
}

// TestBatteryOutput: whoever does not read ends the run, which leaves nothing.
func TestBatteryOutput(t *testing.T) {
	needRoot(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("NOT CHECKED: output that is lost: %v", err)
	}
	defer full.Close()
	cmd := exec.Command(probeProgram(t), "list")
	cmd.Stdout = full
	if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("a list that nobody gets: %v, want exit code 3", err)
	}
}

// TestBatteryOnArm64: the program compiles there, without the ways into the
// kernel that only x86-64 has.
func TestBatteryOnArm64(t *testing.T) {
	compiler, err := exec.LookPath("aarch64-linux-gnu-gcc")
	if err != nil {
		t.Skipf("NOT CHECKED: safe-run-probe on arm64: %v (gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)", err)
	}
	sources, err := filepath.Glob("../cmd/safe-run-probe/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	args := append([]string{"-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", filepath.Join(t.TempDir(), "probe")}, sources...)
	if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// unshared runs a script in namespaces of its own, with the program as $1, and
// gives what was said of one attack.
func unshared(t *testing.T, id, script string) probeLine {
	t.Helper()
	needRoot(t)
	cmd := exec.Command("unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", script, "sh", probeProgram(t))
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := probeLines(t, string(out))
	i := slices.IndexFunc(lines, func(l probeLine) bool { return l.ID == id })
	if i < 0 {
		t.Fatalf("nothing is said of %s: %s", id, out)
	}
	return lines[i]
}

// TestBatteryProcesses: a process of the same user that is seen is another's,
// unless it has started the program, or was started by it.
func TestBatteryProcesses(t *testing.T) {
	for script, want := range map[string]string{
		`sh -c '"$1" run --only M13; :' sh "$1"; :`: "blocked",
		`sleep 60 & "$1" run --only M13; kill $!`:   "allowed",
	} {
		line := unshared(t, "M13", script)
		i := slices.IndexFunc(line.Parts, func(p probePart) bool { return p.Name == "processes" })
		if i < 0 || line.Parts[i].Verdict != want {
			t.Errorf("%s: %+v, want %s", script, line.Parts, want)
		}
	}
}

// TestBatteryFull: where a filesystem is full before the memory is, nothing is
// said of the memory.
func TestBatteryFull(t *testing.T) {
	const limits = "memory=16777216,tmpfs=$PWD:1048576:64"
	for script, want := range map[string]string{
		`mount -t tmpfs -o size=4M tmpfs .; cd .; "$1" run --only R03 --deep --limits ` + limits:       "not-run",
		`mount -t tmpfs -o size=64M tmpfs .; cd .; "$1" run --only R03 --deep --limits ` + limits:      "allowed",
		`mount -t tmpfs -o size=1M,nr_inodes=64 tmpfs .; cd .; "$1" run --only R03 --limits ` + limits: "blocked",
	} {
		if line := unshared(t, "R03", script); line.Verdict != want {
			t.Errorf("%s: %s: %s, want %s", script, line.Verdict, line.Detail, want)
		}
	}
}
