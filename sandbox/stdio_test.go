package sandbox

import (
	"errors"
	"fmt"
	"os"
	"testing"

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
