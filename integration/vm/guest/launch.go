package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Where things are.
const (
	payload = "/opt/vm"
	safeRun = payload + "/safe-run"
	tree    = "/var/tmp/image" // of a root filesystem that holds peek and busybox
)

// patience bounds one run: an emulated processor is slow.
const patience = 2 * time.Minute

// ended is how a run ended.
type ended struct {
	code     int
	out, err string
}

func (e ended) String() string {
	return fmt.Sprintf("exit code %d, output %q, standard error %q", e.code, e.out, e.err)
}

// run runs safe-run to its end.
func run(args ...string) (ended, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, safeRun, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return ended{}, fmt.Errorf("%v: no end after %s; it said %q %q", args, patience, out.String(), errs.String())
	}
	if err != nil && !errors.As(err, &exit) {
		return ended{}, err
	}
	return ended{cmd.ProcessState.ExitCode(), strings.TrimSpace(out.String()), strings.TrimSpace(errs.String())}, nil
}

// want runs safe-run and compares the whole of its output.
func want(out string, args ...string) error {
	e, err := run(args...)
	if err == nil && (e.code != 0 || e.out != out) {
		err = fmt.Errorf("%s, want the output %q", e, out)
	}
	return err
}

// wantFailure runs safe-run and looks for words in what it says.
func wantFailure(code int, words []string, args ...string) error {
	e, err := run(args...)
	if err != nil {
		return err
	}
	for _, word := range words {
		if e.code != code || !strings.Contains(e.err, word) {
			return fmt.Errorf("%s, want exit code %d and %q", e, code, word)
		}
	}
	return nil
}

// running is a container that goes on while a check looks at it.
type running struct {
	cmd  *exec.Cmd
	line string // the first of its output
	in   io.Writer
	errs *bytes.Buffer
	id   string
	pid  int    // of its first process, on the host
	dir  string // of its control group
}

// start starts safe-run and waits for the first line of its program.
func start(args ...string) (*running, error) {
	r := &running{cmd: exec.Command(safeRun, args...), errs: &bytes.Buffer{}}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	r.cmd.Stderr = r.errs
	before := sandboxes()
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	r.line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		r.cmd.Wait()
		return nil, fmt.Errorf("%v said nothing: %s", args, r.errs.String())
	}
	r.line = strings.TrimSpace(r.line)
	for id := range sandboxes() {
		if !before[id] {
			r.id = id
		}
	}
	return r, r.find()
}

// sandboxes are the ids on record.
func sandboxes() map[string]bool {
	found := map[string]bool{}
	entries, _ := os.ReadDir("/run/safe-run/sandboxes")
	for _, e := range entries {
		found[e.Name()] = true
	}
	return found
}

// find looks for the control group by the id, and in it for the first process.
func (r *running) find() error {
	if r.id == "" {
		return errors.New("the container is not on record")
	}
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.Contains(entry.Name(), r.id[:12]) {
			r.dir = path
		}
		return nil
	})
	if err != nil || r.dir == "" {
		return errors.Join(err, errors.New("the container has no control group"))
	}
	data, err := os.ReadFile(filepath.Join(r.dir, "cgroup.procs"))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(data), "\n")
	r.pid, err = strconv.Atoi(first)
	return err
}

// file reads one of the group's files.
func (r *running) file(name string) string {
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}

// end asks the launcher to stop and waits for it.
func (r *running) end(sig syscall.Signal) error {
	if err := r.cmd.Process.Signal(sig); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.cmd.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-time.After(patience):
		r.cmd.Process.Kill()
		return fmt.Errorf("%s does not end the launcher", sig)
	}
}
