package cli

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/quote/quotetest"
)

var updateUnits = flag.Bool("update", false, "write golden files")

func exampleContainer() ledger.Container {
	return ledger.Container{
		ID: strings.Repeat("0123456789abcdef", 4), Name: "site", StopSignal: "SIGTERM", StopTimeout: 10 * time.Second, Dir: "/srv/site",
		Args: []string{"--env=TOKEN=s3cret", "--label=a=100% $HOME", "--memory=64m", "--", "oci:./site", "sh", "-c", "echo \"a b\"; exec serve\n"},
	}
}

// exampleUnits are the units that are kept as they should be.
func exampleUnits() map[string]unit {
	plain := unit{container: exampleContainer(), Program: "/usr/local/bin/safe-run", Header: true}
	fresh := plain
	fresh.New, fresh.ByName, fresh.EnvFile = true, true, "/etc/systemd/system/container-site.env"
	fresh.After, fresh.Requires = []string{"postgresql.service"}, []string{"postgresql.service"}
	again := plain
	again.container.Restart = ledger.Restart{Policy: restartOnFailure, Max: 3}
	again.container.StopSignal, again.StopTimeout, again.Header = "SIGQUIT", new(1500*time.Second), false
	silent := plain
	silent.container.Args = []string{"--sdnotify=ignore", "--", "oci:./site"}
	silent.container.Restart.Policy = restartUnlessStopped
	return map[string]unit{"start": plain, "new": fresh, "on-failure": again, "ignore": silent}
}

func TestGoldenUnits(t *testing.T) {
	texts := map[string]string{}
	for name, u := range exampleUnits() {
		text, err := u.render()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "s3cret") {
			t.Errorf("%s holds the value of a variable", name)
		}
		texts[name] = text
	}
	var err error
	if texts["boot"], err = bootUnit("/usr/local/bin/safe-run"); err != nil {
		t.Fatal(err)
	}
	for name, text := range texts {
		path := filepath.Join("testdata", "units", name+".service")
		if *updateUnits {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != text {
			t.Errorf("%s, %v: got\n%s\nwant\n%s", path, err, text, want)
		}
	}
}

// TestVerifiedUnits: systemd itself finds nothing wrong.
func TestVerifiedUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("NOT CHECKED: there is no systemd-analyze here (package systemd)")
	}
	dir := t.TempDir()
	// It looks whether the programs are there.
	program := filepath.Join(dir, "safe-run")
	if err := os.WriteFile(program, []byte("#!/bin/true\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	boot, err := bootUnit(program)
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{write(bootUnitName, boot)}
	for name, u := range exampleUnits() {
		u.Program, u.container.Dir, u.Requires, u.After = program, dir, nil, nil
		text, err := u.render()
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, write("container-"+name+".service", text))
	}
	for _, path := range paths {
		out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
		if err != nil || strings.Contains(string(out), dir) || strings.Contains(string(out), filepath.Base(path)) {
			t.Errorf("%s: %v\n%s", filepath.Base(path), err, out)
		}
	}
}

// TestUnitRunsTheSame: what systemd executes for --new means the same as the
// recorded command line, read by our own parser.
func TestUnitRunsTheSame(t *testing.T) {
	u := exampleUnits()["new"]
	line, err := u.execStart()
	if err != nil {
		t.Fatal(err)
	}
	words, err := quotetest.UnitWords(line)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/usr/local/bin/safe-run", "run", "--name=site", "--sdnotify=runtime", "--env-file=/etc/systemd/system/container-site.env",
		"--label=a=100% $HOME", "--memory=64m", "--", "oci:./site", "sh", "-c", "echo \"a b\"; exec serve\n",
	}
	if !slices.Equal(words, want) {
		t.Errorf("systemd reads %q", words)
	}
	u.container.Args = nil
	if _, err := u.execStart(); err == nil {
		t.Error("a container without a command line is run anew")
	}
	u.container.Args = []string{"--", "oci:x"}
	if _, err := u.execStart(); err != nil {
		t.Error(err)
	}
	u.container.Args = []string{"--sdnotify=healthy", "--", "oci:x"}
	if line, err := u.execStart(); err == nil {
		t.Errorf("health is checked by nobody: %s", line)
	}
	u.container.Args = []string{"--", "oci:x"}
	u.container.Dir = "/a\nb"
	if text, err := u.render(); err == nil {
		t.Errorf("a directory with a line break: %s", text)
	}
}

func TestUnitRestart(t *testing.T) {
	for _, test := range []struct {
		policy      ledger.Restart
		flag        string
		want, limit string
	}{
		{ledger.Restart{}, "", "no", ""},
		{ledger.Restart{Policy: restartNo}, "", "no", ""},
		{ledger.Restart{Policy: restartAlways}, "", "always", "StartLimitIntervalSec=0\n"},
		{ledger.Restart{Policy: restartUnlessStopped}, "", "always", "StartLimitIntervalSec=0\n"},
		{ledger.Restart{Policy: restartOnFailure}, "", "on-failure", "StartLimitIntervalSec=0\n"},
		{ledger.Restart{Policy: restartOnFailure, Max: 2}, "", "on-failure", "StartLimitIntervalSec=1h\nStartLimitBurst=3\n"},
		{ledger.Restart{Policy: restartAlways}, "on-abort", "on-abort", ""},
	} {
		u := unit{container: ledger.Container{Restart: test.policy}, Restart: test.flag}
		if u.restart() != test.want || u.startLimit() != test.limit {
			t.Errorf("%+v: %s, %q", test, u.restart(), u.startLimit())
		}
	}
}

func TestEnvFileText(t *testing.T) {
	env := []string{"A=1", "B= x ", "C=#", `D="q"`, "E=a=b", "F="}
	text, err := envFileText(env)
	if err != nil {
		t.Fatal(err)
	}
	back, err := parseEnvFile("", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil || !slices.Equal(back, env) {
		t.Errorf("%q, %v", back, err)
	}
	for _, bad := range []string{"A=1\n2", "A=1\r", "#A=1", "A=1\nB=2"} {
		if _, err := envFileText([]string{bad}); err == nil || strings.Contains(err.Error(), "1") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
