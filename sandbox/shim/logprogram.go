package shim

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// logProgram takes a process's output: binary:// of containerd's logging. It has
// standard output and error as its descriptors 3 and 4, and closes 5 when it is
// ready.
type logProgram struct {
	cmd            *exec.Cmd
	stdout, stderr *os.File // for the process
}

// Times that a program for logs has to become ready, and to end.
const (
	logProgramReady = 30 * time.Second
	logProgramEnds  = 12 * time.Second
)

func startLogProgram(uri *url.URL, who logged) (_ *logProgram, err error) {
	var opened []*os.File
	defer func() {
		for _, f := range opened {
			f.Close()
		}
	}()
	pipe := func() (r, w *os.File) {
		if err == nil {
			if r, w, err = os.Pipe(); err == nil {
				opened = append(opened, r, w)
			}
		}
		return r, w
	}
	outRead, outWrite := pipe()
	errRead, errWrite := pipe()
	ready, told := pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(uri.Path, arguments(uri.Query())...)
	cmd.Env = []string{"CONTAINER_ID=" + who.id, "CONTAINER_NAMESPACE=" + who.namespace}
	cmd.ExtraFiles = []*os.File{outRead, errRead, told}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("failed to start binary process: %w", err)
	}
	told.Close()
	p := &logProgram{cmd: cmd, stdout: outWrite, stderr: errWrite}
	if err := awaitReady(ready, uri.Scheme == "binary-v2"); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	opened = slices.DeleteFunc(opened, func(f *os.File) bool { return f == outWrite || f == errWrite })
	return p, nil
}

// arguments are the query's, in the order of their names.
func arguments(query url.Values) []string {
	var names, args []string
	for name := range query {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	for _, name := range names {
		args = append(args, name)
		if values := query[name]; len(values) > 0 {
			args = append(args, values[0])
		}
	}
	return args
}

// awaitReady waits for the descriptor to be closed; the second version of the
// protocol says by a byte that this was meant.
func awaitReady(ready *os.File, byByte bool) error {
	if err := ready.SetReadDeadline(time.Now().Add(logProgramReady)); err != nil {
		return err
	}
	n, err := ready.Read(make([]byte, 1))
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("failed to read from logging binary: %w", err)
	}
	if byByte && n == 0 {
		return errors.New("logging binary did not call ready (it may have crashed or exited prematurely)")
	}
	return nil
}

// end lets the program end: it has seen the end of its streams.
func (p *logProgram) end() {
	p.stdout.Close()
	p.stderr.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	go func() {
		late := time.AfterFunc(logProgramEnds, func() { _ = p.cmd.Process.Kill() })
		_ = p.cmd.Wait()
		late.Stop()
	}()
}
