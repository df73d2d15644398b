package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hostiles do what only a program does that wants out, or wants to stay.
var hostiles = map[string]command{
	"spoof":   {"TEXT CODE", spoof, 2},
	"survive": {"plain|bomb|stopped", survive, 1},
	"bomb":    {"", bomb, 0},
	"stopped": {"", stopped, 0},
	"flood":   {"MIB", flood, 1},
	"setids":  {"DIR", setIDs, 1},
	"flip":    {"PATH PATH", flip, 2},
	"tick":    {"", tick, 0},
}

// spoof writes what somebody else would have written.
func spoof(args []string) (string, error) {
	fmt.Fprintln(os.Stderr, args[0])
	code, err := strconv.Atoi(args[1])
	if err == nil {
		os.Exit(code)
	}
	return "", err
}

// survive wants to outlive its launcher: it takes back the signal for that
// case, ignores all others, and has children in sessions of their own.
func survive(args []string) (string, error) {
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if sig != unix.SIGURG && sig != unix.SIGCHLD {
			signal.Ignore(sig)
		}
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0); err != nil {
		return "", err
	}
	var words = []string{"sleep", "1h"}
	if args[0] != "plain" {
		words = args[:1]
	}
	child := exec.Command(self, words...)
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return "", err
	}
	fmt.Println("here")
	select {}
}

// bomb starts itself as often as it can, for ever.
func bomb([]string) (string, error) {
	for {
		child := exec.Command(self, "bomb")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if child.Start() == nil {
			go child.Wait()
		}
	}
}

// stopped stops, as often as somebody continues it.
func stopped([]string) (string, error) {
	for {
		if err := unix.Kill(os.Getpid(), unix.SIGSTOP); err != nil {
			return "", err
		}
	}
}

// tick does a little every millisecond, so that one sees whether it runs.
func tick([]string) (string, error) {
	fmt.Println("here")
	for {
		time.Sleep(time.Millisecond)
	}
}

// flood writes so many MiB to each of both outputs, through pipes as large as
// they can be made.
func flood(args []string) (string, error) {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	block := strings.Repeat("exec ", 1<<20/5)
	for range want {
		for _, f := range []*os.File{os.Stdout, os.Stderr} {
			_, _ = unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, 1<<20)
			if _, err := io.WriteString(f, block); err != nil {
				return "", err
			}
		}
	}
	return "", nil
}

// setIDs tries every call that could leave a setuid or setgid bit on a file,
// also with bits that the kernel ignores and a careless filter does not, and
// names those that succeed. What they left is for the host to look at.
func setIDs(args []string) (string, error) {
	if err := os.Chdir(args[0]); err != nil {
		return "", err
	}
	unix.Umask(0)
	f, err := os.OpenFile("own", os.O_RDWR|os.O_CREATE, 0o755)
	if err != nil {
		return "", err
	}
	const high, flags, mode, cwd = 1 << 32, unix.O_CREAT | unix.O_WRONLY, 0o6755, ^uintptr(99) // AT_FDCWD
	var names [][]byte
	name := func(s string) uintptr {
		names = append(names, append([]byte(s), 0))
		return uintptr(unsafe.Pointer(&names[len(names)-1][0]))
	}
	fd := f.Fd()
	var did []string
	if _, err := unix.Openat2(unix.AT_FDCWD, "d", &unix.OpenHow{Flags: flags, Mode: mode}); err == nil {
		did = append(did, "openat2")
	}
	for _, call := range []struct {
		what   string
		number uintptr
		a      [4]uintptr
	}{
		{"openat", unix.SYS_OPENAT, [4]uintptr{cwd, name("a"), flags, mode}},
		{"openat, high mode", unix.SYS_OPENAT, [4]uintptr{cwd, name("b"), flags, high | mode}},
		{"openat, high flags", unix.SYS_OPENAT, [4]uintptr{cwd, name("c"), high | flags, mode}},
		{"openat, without a name", unix.SYS_OPENAT, [4]uintptr{cwd, name("."), unix.O_TMPFILE | unix.O_WRONLY, mode}},
		{"fchmod", unix.SYS_FCHMOD, [4]uintptr{fd, mode}},
		{"fchmod, high mode", unix.SYS_FCHMOD, [4]uintptr{fd, high | mode}},
		{"fchmodat", unix.SYS_FCHMODAT, [4]uintptr{cwd, name("own"), mode}},
		{"fchmodat2", unix.SYS_FCHMODAT2, [4]uintptr{cwd, name("own"), mode}},
		{"mknodat", unix.SYS_MKNODAT, [4]uintptr{cwd, name("e"), unix.S_IFREG | mode}},
		{"mkdirat", unix.SYS_MKDIRAT, [4]uintptr{cwd, name("dir"), mode}},
	} {
		if _, _, errno := unix.Syscall6(call.number, call.a[0], call.a[1], call.a[2], call.a[3], 0, 0); errno == 0 {
			did = append(did, call.what)
		}
	}
	runtime.KeepAlive(names)
	return orNone(did), nil
}

// flip exchanges two files, for whoever looks at one and opens the other.
func flip(args []string) (string, error) {
	for {
		if err := unix.Renameat2(unix.AT_FDCWD, args[0], unix.AT_FDCWD, args[1], unix.RENAME_EXCHANGE); err != nil {
			return "", err
		}
	}
}
