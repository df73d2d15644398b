package integration

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/console"

	"github.com/safe-run/safe-run/integration/leaks"
)

// keyboard is a person at a terminal: what they type, and what they see.
type keyboard struct {
	console.Console
	cmd   *exec.Cmd
	lines chan string
}

// sit starts a launcher on a terminal of 33 rows and 77 columns.
func sit(t *testing.T, args ...string) *keyboard {
	t.Helper()
	return sitAt(t, launcher(t, args...))
}

func sitAt(t *testing.T, cmd *exec.Cmd) *keyboard {
	t.Helper()
	master, path, err := console.NewPty()
	if err != nil {
		t.Fatal(err)
	}
	if err := master.Resize(console.WinSize{Height: 33, Width: 77}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	k := &keyboard{Console: master, cmd: cmd, lines: make(chan string, 100)}
	k.cmd.Stdin, k.cmd.Stdout, k.cmd.Stderr = slave, slave, slave
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	go func() {
		defer close(k.lines)
		lines := bufio.NewScanner(master) // ends with EIO when nobody has the other side
		for lines.Scan() {
			k.lines <- strings.TrimRight(lines.Text(), "\r")
		}
	}()
	t.Cleanup(func() {
		k.cmd.Process.Signal(syscall.SIGTERM)
		k.cmd.Wait()
		master.Close()
	})
	return k
}

// wants waits for a line that contains these words.
func (k *keyboard) wants(t *testing.T, words string) {
	t.Helper()
	var seen []string
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, more := <-k.lines:
			if strings.Contains(line, words) {
				return
			}
			seen = append(seen, line)
			if !more {
				t.Fatalf("the terminal closed before %q; it showed %q", words, seen)
			}
		case <-deadline:
			t.Fatalf("the terminal does not show %q; it showed %q", words, seen)
		}
	}
}

func (k *keyboard) types(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(k, keys); err != nil {
		t.Fatal(err)
	}
}

// code waits for the end of the launcher, and for the terminal to be free: a
// process that keeps it open would keep a window or an ssh session from closing.
func (k *keyboard) code(t *testing.T) int {
	t.Helper()
	k.cmd.Wait() // ends by itself or by the launcher's time limit
	deadline := time.After(5 * time.Second)
	for {
		select {
		case _, more := <-k.lines:
			if !more {
				return k.cmd.ProcessState.ExitCode()
			}
		case <-deadline:
			t.Error("the launcher has ended, but something keeps its terminal open")
			return k.cmd.ProcessState.ExitCode()
		}
	}
}

// TestTerminal: with -t the program has a terminal of its own, of the right
// size, that follows the real one.
func TestTerminal(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	image := "dir:" + built(t).root
	if got := safeRun(t, image, "/peek", "tty"); got.line() != "no terminal" {
		t.Errorf("without -t: %q", got.line())
	}
	k := sit(t, "-it", image, "/peek", "resizes", "1")
	k.wants(t, "33 rows 77 columns")
	if err := k.Resize(console.WinSize{Height: 44, Width: 99}); err != nil {
		t.Fatal(err)
	}
	k.wants(t, "44 rows 99 columns")
	if code := k.code(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestTerminalKeys: keys reach the program, and those that are signals become
// signals inside, not outside.
func TestTerminalKeys(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	image := "dir:" + built(t).root
	k := sit(t, "-it", image, "/peek", "signals")
	k.wants(t, "ready")
	k.types(t, "\x03")
	k.wants(t, "SIGINT")
	k.types(t, "\x1c")
	k.wants(t, "SIGQUIT")
	k.types(t, "\x1a")
	k.wants(t, "SIGTSTP")
	if err := k.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	k.wants(t, "SIGTERM")
	if code := k.code(t); code != 0 {
		t.Errorf("exit code %d", code)
	}

	k = sit(t, "-it", image, "/peek", "echo")
	k.wants(t, "ready")
	k.types(t, "typed\n")
	k.wants(t, "got typed")
	k.types(t, "\x04")
	k.wants(t, "no more")
	if code := k.code(t); code != 0 {
		t.Errorf("after the end of input: exit code %d", code)
	}
}

// TestDetach: the keys that detach leave the container running without its
// launcher's terminal; ps lists it, and stop ends it.
func TestDetach(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	name := "detach-" + strconv.Itoa(os.Getpid())
	k := sit(t, "-it", "--name", name, "dir:"+built(t).root, "/peek", "signals")
	k.wants(t, "ready")
	k.types(t, "\x10\x11")
	if code := k.code(t); code != 0 {
		t.Errorf("after detaching: exit code %d", code)
	}
	if got := safeRun(t, "ps"); !strings.Contains(got.out, name) {
		t.Errorf("ps does not list %s:\n%s%s", name, got.out, got.err)
	}
	if got := safeRun(t, "stop", name); got.code != 0 {
		t.Errorf("stop: exit code %d\n%s", got.code, got.err)
	}
	if got := safeRun(t, "ps"); strings.Contains(got.out, name) {
		t.Errorf("ps lists %s after stop:\n%s", name, got.out)
	}
}

// TestKilledTerminal: the container goes with its launcher when that had a
// terminal, too.
func TestKilledTerminal(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	k := sit(t, "-it", "dir:"+built(t).root, "/peek", "signals")
	k.wants(t, "ready")
	if err := k.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	k.code(t)
}

// TestTerminalIsGivenBack: the person's terminal is as it was.
func TestTerminalIsGivenBack(t *testing.T) {
	needRoot(t)
	master, path, err := console.NewPty()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	slave, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	settings := func() string {
		cmd := exec.Command("stty", "-g")
		cmd.Stdin = slave
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	before := settings()
	cmd := launcher(t, "-it", "dir:"+built(t).root, "/peek", "exit", "3")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	go io.Copy(io.Discard, master)
	cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if after := settings(); after != before {
		t.Errorf("the terminal's settings are %s, were %s", after, before)
	}
}
