package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVersionWithoutGo: C answers --version, before Go starts, and says what the
// verb says.
func TestVersionWithoutGo(t *testing.T) {
	p := built(t)
	ask := func(program string, args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		var errors strings.Builder
		cmd.Stderr = &errors
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		started := strings.Contains(errors.String(), "init runtime")
		if short := args[len(args)-1] == "--version" && len(args) == 1; started == short {
			t.Errorf("%v: Go started: %v", args, started)
		}
		return string(out)
	}
	want := ask(p.safeRun, "version")
	if got := ask(p.safeRun, "--version"); got != want {
		t.Errorf("--version says %q, the verb %q", got, want)
	}
	if got := ask(p.safeRun, "--format", "table", "--version"); got != want {
		t.Errorf("with a flag, --version says %q, the verb %q", got, want)
	}
	// Nobody reads: Go gets the chance to say so.
	closed, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	cmd := exec.Command(p.safeRun, "--version")
	cmd.Stdout = closed
	if err := cmd.Run(); err == nil {
		t.Error("a version that could not be written is no error")
	}
}

// TestStatedVersion: who builds with a version tells both who may be asked.
func TestStatedVersion(t *testing.T) {
	const name = "9.8.7-test"
	out, err := exec.Command("make", "-n", "-C", "..", "build", "VERSION="+name, "BIN="+t.TempDir()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, part := range []string{"cli.stated=" + name, `-DSAFE_RUN_VERSION="` + name + `"`} {
		if !strings.Contains(string(out), part) {
			t.Errorf("make build VERSION=%s does not give %s", name, part)
		}
	}
	source, err := os.ReadFile(filepath.Join("..", "cmd", "safe-run", "cli", "verb_version.go"))
	if err != nil || !strings.Contains(string(source), "\nvar stated = ") {
		t.Errorf("there is no variable cli.stated: %v", err)
	}
}
