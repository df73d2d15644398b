package service

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func listen(t *testing.T, address string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestManager(t *testing.T) {
	for _, address := range []string{filepath.Join(t.TempDir(), "notify"), "@safe-run-test-" + strconv.Itoa(os.Getpid())} {
		conn := listen(t, address)
		m, err := Open(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Tell("READY=1", "MAINPID=7"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		if n, err := conn.Read(got); err != nil || string(got[:n]) != "READY=1\nMAINPID=7" {
			t.Errorf("%q, %v", got[:n], err)
		}
	}
	for _, bad := range []string{"relative", "@", "", "vsock:2:1", "/\x00", filepath.Join(t.TempDir(), "missing"), "/" + strings.Repeat("x", 200), "/dev/null"} {
		if m, err := Open(bad); err == nil || problem.HintOf(err) == "" {
			t.Errorf("%q: %v, %v", bad, m, err)
		}
	}
}

func TestPassed(t *testing.T) {
	for message, want := range map[string]string{
		"READY=1":                        "READY=1",
		"READY=1\nSTATUS=up\nWATCHDOG=1": "READY=1|STATUS=up|WATCHDOG=1",
		"STOPPING=1\nRELOADING=1":        "STOPPING=1|RELOADING=1",
		"READY=1\nREADY=1":               "READY=1",
		"READY=0":                        "",
		"READY=1 ":                       "",
		"MAINPID=1\nFDSTORE=1\nFDNAME=a\nNOTIFYACCESS=all\nBARRIER=1\nERRNO=2\nEXTEND_TIMEOUT_USEC=9\nWATCHDOG=trigger\nWATCHDOG_USEC=1\nMAINPIDFDID=1": "",
		"":                                  "",
		"STATUS=a\x1b[0mb\x00c\xffd\u202ee": "STATUS=a?[0mb?c?d?e",
	} {
		if got := strings.Join(Passed([]byte(message)), "|"); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

func FuzzPassed(f *testing.F) {
	for _, seed := range []string{"READY=1\nMAINPID=1", "STATUS=\xff\n\n", "STATUS=" + strings.Repeat("é", 300), "=\n=", "RELOADING=1\nMONOTONIC_USEC=5"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		plain := []string{"READY=1", "STOPPING=1", "WATCHDOG=1", "RELOADING=1"}
		lines := Passed(message)
		if len(lines) > len(plain)+1 {
			t.Errorf("%q: %q", message, lines)
		}
		for _, line := range lines {
			text, status := strings.CutPrefix(line, "STATUS=")
			if !status && !slices.Contains(plain, line) || status && (len(text) > mostStatus || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\x1b")) {
				t.Errorf("%q: %q is passed on", message, line)
			}
		}
	})
}

// TestInside: what is sent before the end is passed on, and descriptors are not
// received.
func TestInside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	var got []string
	inside, err := Listen(path, func(lines []string) { got = append(got, lines...) })
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"READY=1", "MAINPID=1", "STOPPING=1"} {
		if err := m.Tell(line); err != nil {
			t.Fatal(err)
		}
	}
	left := sendPipe(t, path)
	inside.Close()
	nobodyHas(t, left)
	if !slices.Equal(got, []string{"READY=1", "STOPPING=1"}) {
		t.Errorf("passed on: %q", got)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is left")
	}
}

// sendPipe sends the writing end of a pipe along with a message, keeps none, and
// gives the other end.
func sendPipe(t *testing.T, path string) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	conn := listen(t, filepath.Join(t.TempDir(), "from"))
	to := &net.UnixAddr{Name: path, Net: "unixgram"}
	if n, oobn, err := conn.WriteMsgUnix([]byte("FDSTORE=1\nFDNAME=x"), unix.UnixRights(int(w.Fd())), to); err != nil || n == 0 || oobn == 0 {
		t.Fatal(n, oobn, err)
	}
	return r
}

// nobodyHas fails unless the other end of a pipe is closed everywhere.
func nobodyHas(t *testing.T, r *os.File) {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("somebody has a descriptor that was sent: %d, %v", n, err)
	}
}

// TestDescriptorsOfNobody: nor does anybody have a descriptor that is sent while
// messages are read, with the socket open still.
func TestDescriptorsOfNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	inside, err := Listen(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	nobodyHas(t, sendPipe(t, path))
}

// TestCloseIsBounded: a service manager that does not read holds up no end, and
// what it has not got by then it does not get.
func TestCloseIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	var passed atomic.Int32
	wait, slow := make(chan struct{}), make(chan struct{}, 10)
	inside, err := Listen(path, func([]string) {
		passed.Add(1)
		slow <- struct{}{}
		<-wait
	})
	if err != nil {
		t.Fatal(err)
	}
	inside.patience = 100 * time.Millisecond
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := m.Tell("WATCHDOG=1"); err != nil {
			t.Fatal(err)
		}
	}
	<-slow
	closed := make(chan struct{})
	go func() {
		inside.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(30 * time.Second):
		t.Fatal("one that does not read holds up the end")
	}
	close(wait)
	inside.done.Wait()
	if n := passed.Load(); n != 1 {
		t.Errorf("%d messages are passed on, the last after the end", n)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is left")
	}
}

// descriptors puts files at numbers nobody uses, as a service manager would at
// 3, and gives the first.
func descriptors(t *testing.T, files ...*os.File) int {
	t.Helper()
	const first = 200
	for i, f := range files {
		if err := unix.Dup3(int(f.Fd()), first+i, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(first + i) })
	}
	return first
}

func socket(t *testing.T, domain, kind int) *os.File {
	t.Helper()
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("NOT CHECKED: no socket of domain %d: %v", domain, err)
	}
	f := os.NewFile(uintptr(fd), "socket")
	t.Cleanup(func() { f.Close() })
	return f
}

func TestOpen(t *testing.T) {
	tcp, udp := socket(t, unix.AF_INET, unix.SOCK_STREAM), socket(t, unix.AF_INET, unix.SOCK_DGRAM)
	if err := unix.Listen(int(tcp.Fd()), 1); err != nil {
		t.Fatal(err)
	}
	s, err := open(descriptors(t, tcp, udp), []string{"web", "dns"})
	if err != nil {
		t.Fatal(err)
	}
	want := []spec.Socket{{Name: "web", Domain: "AF_INET", Type: "SOCK_STREAM"}, {Name: "dns", Domain: "AF_INET", Type: "SOCK_DGRAM"}}
	if !slices.Equal(s.Specs, want) {
		t.Errorf("%+v", s.Specs)
	}
	for _, f := range s.Files {
		if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s is inherited: %v", f.Name(), err)
		}
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for what, f := range map[string]*os.File{
		"a directory": dir, "a pipe": r, "a socket that does not listen": socket(t, unix.AF_INET, unix.SOCK_STREAM),
		"netlink": socket(t, unix.AF_NETLINK, unix.SOCK_DGRAM),
	} {
		if s, err := open(descriptors(t, f), []string{"x"}); err == nil || problem.HintOf(err) == "" {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
	}
	if _, err := open(250, []string{"x"}); err == nil {
		t.Error("a descriptor that is not open is taken")
	}
}

func TestTake(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	for _, test := range []struct{ pid, fds, names, fails string }{
		{},
		{pid: "1", fds: "garbage"},
		{pid: pid},
		{pid: pid, fds: "0"},
		{pid: "x", fds: "1", fails: "LISTEN_PID"},
		{pid: "-1", fds: "1", fails: "LISTEN_PID"},
		{pid: pid, fds: "x", fails: "LISTEN_FDS"},
		{pid: pid, fds: "-1", fails: "LISTEN_FDS"},
		{pid: pid, fds: "129", fails: "LISTEN_FDS"},
		{pid: pid, fds: "99999999999999999999", fails: "LISTEN_FDS"},
		{pid: pid, fds: "1", names: "a:b", fails: "LISTEN_FDNAMES"},
		{pid: pid, fds: "1", names: "a\x1b", fails: "LISTEN_FDNAMES"},
		{pid: pid, fds: "2", names: "a:", fails: "LISTEN_FDNAMES"},
		{pid: pid, fds: "1", names: strings.Repeat("a", 256), fails: "LISTEN_FDNAMES"},
	} {
		env := map[string]string{"LISTEN_PID": test.pid, "LISTEN_FDS": test.fds, "LISTEN_FDNAMES": test.names}
		s, err := Take(func(name string) string { return env[name] })
		switch {
		case s != nil:
			t.Errorf("%+v: %+v", test, s)
		case test.fails == "" && err != nil, test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails) || problem.HintOf(err) == ""):
			t.Errorf("%+v: %v", test, err)
		}
	}
}
