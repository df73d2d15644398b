package sandbox

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLostOutput: output that a full disk swallowed is known, and output that
// its reader did not want is no loss.
func TestLostOutput(t *testing.T) {
	gone, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	defer pipe.Close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	plain, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, test := range []struct {
		out  *os.File
		want error
	}{{plain, nil}, {pipe, nil}, {full, unix.ENOSPC}} {
		s := new(stdio)
		if err := s.output(1, test.out, os.Getuid(), os.Getgid()); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(s.child[1], "a line")
		s.closeChild()
		s.drain(nil)
		if got := s.lostOutput(); !errors.Is(got, test.want) {
			t.Errorf("%s: lost %v, want %v", test.out.Name(), got, test.want)
		}
	}
}

// written is what was written.
type written chan string

func (w written) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// TestEndOutput: somebody else who holds the pipe open, and writes to it, does
// not keep the output of what has ended from its end.
func TestEndOutput(t *testing.T) {
	got := make(written, 10)
	s := new(stdio)
	if err := s.output(1, got, os.Getuid(), os.Getgid()); err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", s.child[1].Fd()), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(s.child[1], "a line")
	s.started()
	select {
	case text := <-got:
		if text != "a line\n" {
			t.Errorf("passed on: %q", text)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is passed on")
	}
	s.endOutput(time.Now().Add(20 * time.Millisecond))
	drained := make(chan struct{})
	go func() {
		s.drain(nil)
		close(drained)
	}()
	select {
	case <-drained:
	case <-time.After(30 * time.Second):
		t.Fatal("whoever else has the pipe keeps it from its end")
	}
	if _, err := other.WriteString("more"); !errors.Is(err, unix.EPIPE) {
		t.Errorf("the pipe is read still: %v", err)
	}
	other.Close()
	if len(got) != 0 || s.lostOutput() != nil {
		t.Errorf("passed on %d times more; lost: %v", len(got), s.lostOutput())
	}
}
