package vuln

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// fake is a scanner that is a shell script. In it, $here is a directory of its
// own, and $report a Trivy report.
func fake(t *testing.T, script string) (s Scanner, here string) {
	t.Helper()
	here = t.TempDir()
	report, err := filepath.Abs("testdata/trivy.json")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(here, "trivy")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nhere='"+here+"' report='"+report+"'\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s = Scanner{Name: "trivy", Path: path, Cache: filepath.Join(here, "cache")}
	dated(t, s, time.Now())
	return s, here
}

// dated gives trivy a database of a time.
func dated(t *testing.T, s Scanner, updated time.Time) {
	t.Helper()
	put(t, filepath.Join(s.Cache, "trivy/db/metadata.json"), fmt.Appendf(nil, `{"Version":2,"UpdatedAt":%q}`, updated.Format(time.RFC3339)))
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

func TestScanArguments(t *testing.T) {
	t.Setenv("SECRET_TOKEN", "hunter2")
	t.Setenv("TRIVY_SEVERITY", "LOW")
	s, here := fake(t, `for a; do echo "$a"; done > $here/args; env > $here/env; pwd > $here/cwd; ls -A > $here/ls; cat $report`)
	began := time.Now()
	r, err := Scan(t.Context(), "/srv/lay out", s)
	if err != nil {
		t.Fatal(err)
	}
	if ids(r.Findings) != "123" || r.Created.Before(began) || r.Created.After(time.Now()) {
		t.Errorf("findings %q of %s: a scan is of now", ids(r.Findings), r.Created)
	}
	args := lines(t, here+"/args")
	for _, want := range []string{"--offline-scan", "--skip-db-update", "--skip-java-db-update", "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL"} {
		if !slices.Contains(args, want) {
			t.Errorf("no %s in %q", want, args)
		}
	}
	if i := slices.Index(args, "--input"); args[0] != "image" || i < 0 || args[i+1] != "/srv/lay out" {
		t.Errorf("arguments %q", args)
	}
	for _, v := range lines(t, here+"/env") {
		key, value, _ := strings.Cut(v, "=")
		if !slices.Contains([]string{"PATH", "LC_ALL", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "GRYPE_DB_AUTO_UPDATE", "GRYPE_CHECK_FOR_APP_UPDATE", "GRYPE_TIMESTAMP", "GRYPE_DB_VALIDATE_AGE", "PWD", "SHLVL", "_", "OLDPWD"}, key) {
			t.Errorf("the scanner got %s", v)
		}
		if key == "HOME" && value != lines(t, here+"/cwd")[0] {
			t.Errorf("it ran in %q with %s", lines(t, here+"/cwd"), v)
		}
	}
	if left := lines(t, here+"/ls"); len(left) != 1 || left[0] != "" {
		t.Errorf("settings in the directory that it ran in: %q", left)
	}
	if _, err := os.Stat(lines(t, here+"/cwd")[0]); !os.IsNotExist(err) {
		t.Errorf("its directory is left behind: %v", err)
	}
}

// gone waits for processes to end.
func gone(t *testing.T, pids []string) {
	t.Helper()
	for _, s := range pids {
		pid, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			// A zombie that nobody reaps is gone too.
			state, err := os.ReadFile("/proc/" + s + "/stat")
			if err != nil || strings.Contains(string(state), ") Z ") {
				break
			}
			if time.Now().After(deadline) {
				_ = unix.Kill(pid, unix.SIGKILL)
				t.Errorf("process %s is left", s)
				break
			}
		}
	}
}

func TestScanHangs(t *testing.T) {
	s, here := fake(t, `sleep 60 & echo $! > $here/pids; echo $$ >> $here/pids; mv $here/pids $here/ready; wait`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(here + "/ready"); err == nil {
				break
			}
		}
		cancel()
	}()
	began := time.Now()
	_, err := Scan(ctx, "/x", s)
	if !errors.Is(err, context.Canceled) || time.Since(began) > 8*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	gone(t, lines(t, here+"/ready"))
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Scan(ctx, "/x", s); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "too long") || problem.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

// TestScanLeavesNothing: what the scanner leaves running ends with it, and
// cannot hold up the scan by its end of the pipe.
func TestScanLeavesNothing(t *testing.T) {
	s, here := fake(t, `sleep 60 & echo $! > $here/pids; cat $report`)
	began := time.Now()
	if r, err := Scan(t.Context(), "/x", s); err != nil || ids(r.Findings) != "123" {
		t.Errorf("findings %q, %v", ids(r.Findings), err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	gone(t, lines(t, here+"/pids"))
}

func TestScanFails(t *testing.T) {
	for _, c := range []struct{ why, script, want string }{
		{"too much", `cat /dev/zero`, "more than 64 MiB"},
		{"too many complaints", `head -c 1000000 /dev/zero >&2; exit 3`, "exit status 3"},
		{"failure", `echo first >&2; printf 'no \033[31mdatabase\n' >&2; exit 1`, "exit status 1: no ?[31mdatabase"},
		{"nothing", `true`, "gave no report"},
		{"rubbish", `echo '<html>'`, "gave no report"},
		{"a broken report", `head -c 4000 $report`, "gave no report"},
		{"another scanner's report", `cat $(dirname $report)/grype.json`, `a report of "grype"`},
		{"a signal", `kill -9 $$`, "killed"},
	} {
		s, _ := fake(t, c.script)
		_, err := Scan(t.Context(), "/x", s)
		if err == nil || !strings.Contains(err.Error(), c.want) || text(err.Error(), 1<<20) != err.Error() || len(err.Error()) > 4096 {
			t.Errorf("%s: %v, want %q", c.why, err, c.want)
		} else if problem.HintOf(err) == "" {
			t.Errorf("%s: no hint", c.why)
		}
	}
	if _, err := Scan(t.Context(), "/x", Scanner{Name: "trivy", Path: "/none"}); err == nil {
		t.Error("a scanner that is not there gave a report")
	}
	if _, err := Scan(t.Context(), "/x", Scanner{Name: "sh", Path: "/bin/sh", Cache: "/"}); err == nil || !strings.Contains(err.Error(), "not known") {
		t.Errorf("any program is a scanner: %v", err)
	}
}

// TestScanLies: what a scanner says is judged like any report.
func TestScanLies(t *testing.T) {
	s, _ := fake(t, `sed 's/`+configDigest+`/`+otherDigest+`/; s/"CreatedAt": "2026/"CreatedAt": "2099/' $report`)
	r, err := Scan(t.Context(), "/x", s)
	if err != nil {
		t.Fatal(err)
	}
	if r.Created.Year() == 2099 {
		t.Error("the scanner says when it ran")
	}
	if _, err := Judge(policy("high"), Known{Reports: []Report{r}}, subject, time.Now()); err == nil || !strings.Contains(err.Error(), "another image") {
		t.Errorf("%v", err)
	}
}

func TestTrivyDatabaseIsDated(t *testing.T) {
	s, _ := fake(t, `cat $report`)
	dated(t, s, now.AddDate(-1, 0, 0))
	r, err := Scan(t.Context(), "/x", s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Judge(policy("high"), Known{Reports: []Report{r}}, subject, time.Now()); err == nil || !strings.Contains(err.Error(), "too old a database (2025-11-21") {
		t.Errorf("a scan of now with an old database: %v", err)
	}
	if err := os.RemoveAll(s.Cache); err != nil {
		t.Fatal(err)
	}
	if _, err := Scan(t.Context(), "/x", s); err == nil || !strings.Contains(err.Error(), "how old its database is") {
		t.Errorf("a database without a date: %v", err)
	}
}

func TestFindScanner(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := FindScanner(); err == nil || problem.HintOf(err) == "" {
		t.Errorf("a scanner in an empty directory: %v", err)
	}
	for _, called := range []string{"grype", "trivy"} { // trivy comes first
		if err := os.WriteFile(filepath.Join(dir, called), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if s, err := FindScanner(); err != nil || s.Name != called || s.Path != filepath.Join(dir, called) {
			t.Errorf("found %+v, %v", s, err)
		}
	}
	t.Setenv("PATH", ".")
	t.Chdir(dir)
	if s, err := FindScanner(); err == nil {
		t.Errorf("found %s beside the user", s.Path)
	}
}

// peer finds a real scanner.
func peer(t *testing.T, called string) string {
	t.Helper()
	if path, err := exec.LookPath(called); err == nil {
		return path
	}
	if home, err := os.UserHomeDir(); err == nil {
		if path := filepath.Join(home, ".cache/safe-run-peers", called); exec.Command(path, "--version").Run() == nil {
			return path
		}
	}
	t.Skipf("NOT CHECKED with the real %s: it is neither in PATH nor in ~/.cache/safe-run-peers", called)
	return ""
}
