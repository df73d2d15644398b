package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds one run of the program: what takes longer has hung.
const patience = 60 * time.Second

// result is how one run ended.
type result struct {
	out, err string
	code     int
}

// line is standard output without the end of its line.
func (r result) line() string { return strings.TrimSpace(r.out) }

// launcher is safe-run, about to be started with a home of its own, so that no
// profile of the user takes part.
func launcher(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program := built(t).safeRun // which may take long, the first time
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C"}
	// A launcher that hangs gets the chance to clean up.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// finish runs to the end.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &errs
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, errs.String())
	}
	return result{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
}

// safeRun runs the program with these arguments.
func safeRun(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, launcher(t, args...))
}

// peek runs peek in a container: flags of safe-run, then peek's own words.
func peek(t *testing.T, flags []string, words ...string) result {
	t.Helper()
	args := append(append([]string{}, flags...), "dir:"+built(t).root, "/peek")
	return safeRun(t, append(args, words...)...)
}

// outside runs peek on the host.
func outside(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command(built(t).peek, words...).CombinedOutput()
	if err != nil {
		t.Fatalf("peek %v on the host: %v\n%s", words, err, out)
	}
	return strings.TrimSpace(string(out))
}

// profile writes a profile that extends the default one, or the one named in
// its own extends line, and gives the flags to use it.
func profile(t *testing.T, body string) []string {
	t.Helper()
	head := "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: test}\n"
	if !strings.Contains(body, "extends:") {
		head += "extends: [default]\n"
	}
	path := filepath.Join(t.TempDir(), "test.yaml")
	if err := os.WriteFile(path, []byte(head+body+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"--profile", path}
}

// running is a container that goes on while the test looks at it.
type running struct {
	cmd   *exec.Cmd
	lines chan string // of standard output
	errs  *bytes.Buffer
	ended bool
}

// start starts peek in a container and gives it back when peek has said
// something. It ends with the test at the latest.
func start(t *testing.T, flags []string, words ...string) (*running, string) {
	t.Helper()
	args := append(append([]string{}, flags...), "dir:"+built(t).root, "/peek")
	return begin(t, launcher(t, append(args, words...)...))
}

func begin(t *testing.T, cmd *exec.Cmd) (*running, string) {
	t.Helper()
	r := &running{cmd: cmd, lines: make(chan string, 1000), errs: &bytes.Buffer{}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = r.errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go r.read(out)
	t.Cleanup(func() {
		if !r.ended {
			r.end(t, syscall.SIGKILL)
		}
	})
	return r, r.next(t)
}

func (r *running) read(out io.Reader) {
	defer close(r.lines)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		r.lines <- lines.Text()
	}
}

// next is the next line of standard output.
func (r *running) next(t *testing.T) string {
	t.Helper()
	select {
	case line, more := <-r.lines:
		if !more {
			r.cmd.Wait()
			r.ended = true
			t.Fatalf("%v ended (%v) before it said anything more:\n%s", r.cmd.Args, r.cmd.ProcessState, r.errs.String())
		}
		return line
	case <-time.After(patience):
		t.Fatalf("%v says nothing", r.cmd.Args)
		return ""
	}
}

// end sends a signal to the launcher and waits for it.
func (r *running) end(t *testing.T, s os.Signal) result {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	return r.wait()
}

// wait waits for the end and gathers what was not read yet.
func (r *running) wait() result {
	var rest []string
	for line := range r.lines {
		rest = append(rest, line)
	}
	r.cmd.Wait()
	r.ended = true
	return result{out: strings.Join(rest, "\n"), err: r.errs.String(), code: r.cmd.ProcessState.ExitCode()}
}
