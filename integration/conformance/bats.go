package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/console"
)

// outcome is how a test ended; failed also when it never did.
type outcome int

const (
	failed outcome = iota
	passed
	skipped
)

// results are the tests of one file by name.
type results map[string]outcome

// patience bounds one file of tests.
const patience = 8 * time.Minute

// bats runs one file of tests with a terminal, as some of them need, on which
// nobody types.
func (s *suite) bats(ctx context.Context, runtime, file string) (results, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	program, err := s.called(runtime)
	if err != nil {
		return nil, err
	}
	master, slave, err := console.NewPty()
	if err != nil {
		return nil, err
	}
	defer master.Close()
	terminal, err := os.OpenFile(slave, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "bats", "--tap", file)
	cmd.Dir = s.tests
	cmd.Env = append(os.Environ(), "RUNC="+program, "TERM=dumb")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&out, master)
	}()
	err = cmd.Start()
	if err == nil {
		done := make(chan struct{})
		go reapOrphans(cmd.Process.Pid, done)
		err = cmd.Wait()
		close(done)
	}
	terminal.Close()
	select {
	case <-read:
	case <-time.After(2 * time.Second): // something that the tests left behind has the terminal
		master.Close()
		<-read
	}
	log := filepath.Join(s.dir, filepath.Base(runtime)+"-"+file+".tap")
	if err := os.WriteFile(log, out.Bytes(), 0o644); err != nil {
		return nil, err
	}
	found := parseTAP(out.String())
	if len(found) == 0 {
		return nil, fmt.Errorf("no test ran (%v); see %s", err, log)
	}
	return found, nil
}

// called gives the program under the name runc: the tests look for that name in
// what it says of itself, and among the files that a container has open.
func (s *suite) called(runtime string) (string, error) {
	program := filepath.Join(s.dir, "called", filepath.Base(runtime), "runc")
	data, err := os.ReadFile(runtime)
	if err != nil {
		return "", err
	}
	return program, errors.Join(os.MkdirAll(filepath.Dir(program), 0o755), os.RemoveAll(program), os.WriteFile(program, data, 0o755))
}

var tapLine = regexp.MustCompile(`^(ok|not ok) \d+ (.*?)( # skip.*| # timeout.*)?$`)

// parseTAP reads bats' lines of the Test Anything Protocol.
func parseTAP(text string) results {
	out := results{}
	for line := range strings.Lines(text) {
		m := tapLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		switch {
		case m[1] == "not ok":
			out[m[2]] = failed
		case strings.HasPrefix(m[3], " # skip"):
			out[m[2]] = skipped
		default:
			out[m[2]] = passed
		}
	}
	return out
}
