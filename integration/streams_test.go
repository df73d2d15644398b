package integration

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestInput: what is piped in comes in whole, and only when -i asks for it.
func TestInput(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	const size = 100 << 20
	source := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), size) }
	hash := sha256.New()
	if _, err := io.Copy(hash, source()); err != nil {
		t.Fatal(err)
	}
	cmd := launcher(t, "-i", "dir:"+built(t).root, "/peek", "stdin")
	cmd.Stdin = source()
	got := finish(t, cmd)
	if want := fmt.Sprintf("%d %x", size, hash.Sum(nil)); got.line() != want {
		t.Errorf("100 MiB piped in: got %q, want %q\n%s", got.line(), want, got.err)
	}

	cmd = launcher(t, "dir:"+built(t).root, "/peek", "stdin")
	cmd.Stdin = strings.NewReader("not for the container")
	if got := finish(t, cmd); !strings.HasPrefix(got.line(), "0 ") {
		t.Errorf("without -i the container read something: %q", got.line())
	}
}

// TestOutput: the streams are kept apart and come out whole.
func TestOutput(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	if got := peek(t, nil, "both"); got.out != "to stdout\n" || got.err != "to stderr\n" {
		t.Errorf("got %q and %q", got.out, got.err)
	}
	if got := peek(t, nil, "pour", "64"); len(got.out) != 64<<20 {
		t.Errorf("64 MiB poured out, %d bytes came", len(got.out))
	}
}

// TestClosedOutput: a reader that goes away ends the container as it would end
// any program in a pipe.
func TestClosedOutput(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	cmd := launcher(t, "dir:"+built(t).root, "/peek", "pour", "10000")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if _, err := io.CopyN(io.Discard, read, 1<<20); err != nil {
		t.Fatal(err)
	}
	read.Close()
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		cmd.Process.Signal(syscall.SIGTERM)
		<-done
		t.Error("the launcher went on for 20 s after its reader had gone")
	}
	if cmd.ProcessState.ExitCode() == 0 {
		t.Error("a program that could not write ended with 0")
	}
}

// TestSignals: signals sent to the launcher reach the first process.
func TestSignals(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, ready := start(t, nil, "signals")
	if ready != "ready" {
		t.Fatalf("peek says %q", ready)
	}
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
		if err := r.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if got, want := r.next(t), map[syscall.Signal]string{
			syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGQUIT: "SIGQUIT", syscall.SIGUSR1: "SIGUSR1", syscall.SIGUSR2: "SIGUSR2",
		}[s]; got != want {
			t.Errorf("sent %s, the program got %s", want, got)
		}
	}
	if got := r.end(t, syscall.SIGTERM); got.out != "SIGTERM" || got.code != 0 {
		t.Errorf("after SIGTERM: %q, exit code %d\n%s", got.out, got.code, got.err)
	}
}

// TestInit: with --init orphans are reaped and signals go through; without it
// the same orphans stay.
func TestInit(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	if got := peek(t, nil, "orphans", "3"); got.line() != "3 zombies" {
		t.Errorf("without an init: %q, want 3 zombies\n%s", got.line(), got.err)
	}
	if got := peek(t, []string{"--init"}, "orphans", "3"); got.line() != "0 zombies" {
		t.Errorf("with an init: %q, want none\n%s", got.line(), got.err)
	}
	r, _ := start(t, []string{"--init"}, "signals")
	if got := r.end(t, syscall.SIGTERM); got.out != "SIGTERM" || got.code != 0 {
		t.Errorf("through an init, after SIGTERM: %q, exit code %d\n%s", got.out, got.code, got.err)
	}
	if got := peek(t, []string{"--init"}, "exit", "7"); got.code != 7 {
		t.Errorf("through an init: exit code %d, want 7", got.code)
	}
}
