package integration

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

// serviceManager listens as systemd does on NOTIFY_SOCKET.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	name string
}

func newServiceManager(t *testing.T, name string) *serviceManager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &serviceManager{t, conn, name}
}

// await gives the lines of all messages up to one that has want. No message may
// come with a descriptor.
func (m *serviceManager) await(want string) []string {
	m.t.Helper()
	var lines []string
	for {
		if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			m.t.Fatal(err)
		}
		data, oob := make([]byte, 8192), make([]byte, 1024)
		n, oobn, _, _, err := m.conn.ReadMsgUnix(data, oob)
		if err != nil {
			m.t.Fatalf("%s has not come: %q, %v", want, lines, err)
		}
		if oobn > 0 {
			m.t.Errorf("a descriptor came with %q", data[:n])
		}
		message := strings.Split(string(data[:n]), "\n")
		lines = append(lines, message...)
		for _, line := range message {
			if line == want {
				return lines
			}
		}
	}
}

// has says whether one of lines begins with prefix.
func has(lines []string, prefix string) bool {
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

// TestNotifyRuntime: the service manager hears that the program runs, which
// process to watch, and that it is about to end; the container hears nothing of
// the service manager.
func TestNotifyRuntime(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	m := newServiceManager(t, filepath.Join(t.TempDir(), "notify"))
	cmd := launcher(t, "-e", "NOTIFY_SOCKET", "dir:"+built(t).root, "/peek", "then-sleep", "env")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.name, "WATCHDOG_USEC=1000000")
	r, line := begin(t, cmd)
	if strings.Contains(line, "NOTIFY_SOCKET") || strings.Contains(line, "WATCHDOG") {
		t.Errorf("inside: %s", line)
	}
	lines := m.await("READY=1")
	if !has(lines, "MAINPID="+strconv.Itoa(cmd.Process.Pid)) || !has(lines, "STATUS=container ") {
		t.Errorf("said: %q", lines)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.await("STOPPING=1")
	r.wait()
}

// TestNotifyContainer: a container says itself when it is ready, and nothing
// about processes and descriptors.
func TestNotifyContainer(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	m := newServiceManager(t, "@safe-run-test-"+strconv.Itoa(os.Getpid()))
	cmd := launcher(t, "--sdnotify=container", "dir:"+built(t).root, "/peek", "notify",
		"MAINPID=1", "FDSTORE=1", "FDNAME=x", "NOTIFYACCESS=all", "BARRIER=1", "STATUS=up\x1b[2J", "READY=1")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.name)
	if got := finish(t, cmd); got.line() != "ok" {
		t.Fatalf("inside: %s\n%s", got.line(), got.err)
	}
	lines := m.await("READY=1")
	for _, never := range []string{"MAINPID=1", "FD", "NOTIFYACCESS", "BARRIER"} {
		for _, line := range lines {
			if line != "MAINPID="+strconv.Itoa(cmd.Process.Pid) && strings.HasPrefix(line, never) {
				t.Errorf("passed on: %q", line)
			}
		}
	}
	if !has(lines, "STATUS=up?[2J") || !has(lines, "MAINPID="+strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("said: %q", lines)
	}
	// Without a service manager there is nobody to tell, and no socket.
	if got := peek(t, []string{"--sdnotify=container"}, "env"); strings.Contains(got.line(), "NOTIFY_SOCKET") {
		t.Errorf("inside: %s", got.line())
	}
}

// TestNotifyDetached: a supervisor speaks for its container, and ignore is
// silence.
func TestNotifyDetached(t *testing.T) {
	y := newYard(t)
	m := newServiceManager(t, filepath.Join(t.TempDir(), "notify"))
	detach := func(flags ...string) string {
		cmd := y.launch(t, append(append([]string{"run", "-d"}, flags...), "dir:"+y.root, "sleep", "1000")...)
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.name)
		got := finish(t, cmd)
		if got.code != 0 {
			t.Fatalf("%d\n%s", got.code, got.err)
		}
		return got.line()
	}
	y.must(t, "stop", detach("--sdnotify=ignore"))
	id := detach()
	lines := m.await("READY=1")
	if !has(lines, "MAINPID=") || has(lines, "STOPPING") {
		t.Errorf("said: %q", lines)
	}
	y.must(t, "stop", id)
	m.await("STOPPING=1")
}

// TestNotifyHealthy: ready is who has passed a check.
func TestNotifyHealthy(t *testing.T) {
	y := newYard(t)
	m := newServiceManager(t, filepath.Join(t.TempDir(), "notify"))
	run := func(flags ...string) result {
		cmd := y.launch(t, append(append([]string{"run", "--sdnotify=healthy"}, flags...), "dir:"+y.root, "sleep", "1000")...)
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.name)
		return finish(t, cmd)
	}
	if got := run("-d"); got.code != 125 || !strings.Contains(got.err, "no health check") {
		t.Errorf("%d\n%s", got.code, got.err)
	}
	if got := run(); got.code != 125 || !strings.Contains(got.err, "hint: add -d") {
		t.Errorf("%d\n%s", got.code, got.err)
	}
	if got := run("-d", "--health-cmd", "true", "--health-interval", "1s"); got.code != 0 {
		t.Fatalf("%d\n%s", got.code, got.err)
	}
	m.await("READY=1")
}

// TestNotifyStart: who starts a container of the ledger stays the process that
// the service manager watches.
func TestNotifyStart(t *testing.T) {
	y := newYard(t)
	m := newServiceManager(t, filepath.Join(t.TempDir(), "notify"))
	id := y.detach(t, nil, "sleep", "1000")
	for _, running := range []bool{true, false} {
		if !running {
			y.must(t, "stop", id)
		}
		cmd := y.launch(t, "start", "--attach", id)
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if lines := m.await("READY=1"); has(lines, "MAINPID") {
			t.Errorf("said: %q", lines)
		}
		y.must(t, "stop", id)
		if !running {
			m.await("STOPPING=1")
		}
		_ = cmd.Wait() // the container's code
	}
}

// TestNotifyBad: a service manager that cannot be reached is an error that says
// what to do.
func TestNotifyBad(t *testing.T) {
	needRoot(t)
	for _, address := range []string{"relative", "/nothing/there", "@nobody-" + strconv.Itoa(os.Getpid())} {
		cmd := launcher(t, "dir:"+built(t).root, "/peek", "fds")
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+address)
		if got := finish(t, cmd); got.code != 125 || !strings.Contains(got.err, "NOTIFY_SOCKET") || !strings.Contains(got.err, "--sdnotify=ignore") {
			t.Errorf("%s: %d\n%s", address, got.code, got.err)
		}
		cmd = launcher(t, "--sdnotify=ignore", "dir:"+built(t).root, "/peek", "fds")
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+address)
		if got := finish(t, cmd); got.code != 0 {
			t.Errorf("ignored: %d\n%s", got.code, got.err)
		}
	}
}

// activate is a launcher that a service manager has started for its sockets.
func activate(t *testing.T, cmd *exec.Cmd, names string, files ...*os.File) *exec.Cmd {
	t.Helper()
	// The variables name the process, whose number a shell knows beforehand.
	script := fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s exec "$0" "$@"`, len(files), names)
	cmd.Args = append([]string{"sh", "-c", script, cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.ExtraFiles = "/bin/sh", files
	return cmd
}

// hostSocket is a listening socket of the host, and its address.
func hostSocket(t *testing.T, network, address string) (*os.File, string) {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if unix, ok := listener.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	file, err := listener.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file, listener.Addr().String()
}

const letSockets = "process:\n  socketActivation: {allow: true, why: test}\n"

// TestSocketActivation: a program without any network answers on sockets that
// it was started with, and has no other descriptors.
func TestSocketActivation(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	for _, init := range []string{"--init=false", "--init"} {
		tcp, address := hostSocket(t, "tcp", "127.0.0.1:0")
		unix, path := hostSocket(t, "unix", filepath.Join(t.TempDir(), "socket"))
		for _, test := range []struct {
			network, address, names string
			files                   []*os.File
		}{{"tcp", address, "web:other", []*os.File{tcp, unix}}, {"unix", path, "only", []*os.File{unix}}} {
			flags := append(profile(t, letSockets), init, "--network", "none", "-e", "LISTEN_FDS=7", "dir:"+built(t).root, "/peek", "serve", "from inside")
			r, line := begin(t, activate(t, launcher(t, flags...), test.names, test.files...))
			want := fmt.Sprintf("%d %s open 3=socket:", len(test.files), test.names)
			if !strings.HasPrefix(line, want) || strings.Count(line, "socket:") != len(test.files) || strings.Count(line, "=") != len(test.files) {
				t.Errorf("%s: inside: %q, want %q", init, line, want)
			}
			conn, err := net.Dial(test.network, test.address)
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if answer, err := io.ReadAll(conn); err != nil || string(answer) != "from inside\n" {
				t.Errorf("%s: answer %q, %v", test.network, answer, err)
			}
			conn.Close()
			if got := r.wait(); got.code != 0 {
				t.Errorf("exit code %d\n%s", got.code, got.err)
			}
		}
	}
}

// TestSocketNoWayOut: a listening socket of the host cannot be connected to what
// the host reaches, unless the profile lets it.
func TestSocketNoWayOut(t *testing.T) {
	needRoot(t)
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	escape := func(t *testing.T, body, how string) result {
		socket, _ := hostSocket(t, "tcp", "127.0.0.1:0")
		flags := append(profile(t, body), "dir:"+built(t).root, "/peek", "escape", target.Addr().String(), how)
		return finish(t, activate(t, launcher(t, flags...), "web", socket))
	}
	for _, how := range []string{"connect", "fastopen"} {
		if got := escape(t, letSockets, how); got.line() != "EACCES" {
			t.Errorf("%s: %s\n%s", how, got.line(), got.err)
		}
	}
	// The attempt is one that would succeed.
	if got := escape(t, strings.Replace(letSockets, "why:", "outbound: true, why:", 1), "connect"); got.line() != "ok" {
		t.Errorf("with outbound: %s\n%s", got.line(), got.err)
	}
}

// TestSocketDetached: a supervisor passes them on, too.
func TestSocketDetached(t *testing.T) {
	y := newYard(t)
	socket, _ := hostSocket(t, "tcp", "127.0.0.1:0")
	args := append(append([]string{"run", "-d"}, profile(t, letSockets)...), "dir:"+built(t).root, "/peek", "activated")
	got := finish(t, activate(t, y.launch(t, args...), "web", socket))
	if got.code != 0 {
		t.Fatalf("%d\n%s", got.code, got.err)
	}
	y.must(t, "wait", got.line())
	if line := y.must(t, "logs", got.line()); !strings.HasPrefix(line, "1 web open 3=socket:") || strings.Count(line, "=") != 1 {
		t.Errorf("inside: %q", line)
	}
}

// TestSocketRefused: what the profile does not allow, and what is no socket, is
// an error and not left out.
func TestSocketRefused(t *testing.T) {
	needRoot(t)
	socket, _ := hostSocket(t, "tcp", "127.0.0.1:0")
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	udp, err := packets.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, test := range []struct {
		what, body, names, want string
		file                    *os.File
	}{
		{"no allowance", "", "web", "process.socketActivation", socket},
		{"udp", letSockets, "dns", "outbound", udp},
		{"a directory", letSockets, "dir", "not a socket", dir},
		{"a name", letSockets, "a,b:c", "LISTEN_FDNAMES", socket},
	} {
		args := append(profile(t, test.body), "dir:"+built(t).root, "/peek", "fds")
		got := finish(t, activate(t, launcher(t, args...), test.names, test.file))
		if got.code != 125 || !strings.Contains(got.err, test.want) || !strings.Contains(got.err, "hint:") {
			t.Errorf("%s: %d %s\n%s", test.what, got.code, got.line(), got.err)
		}
	}
}

// TestGenerateSystemd: the unit of a container runs it, and the values of its
// variables are for its owner only.
func TestGenerateSystemd(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, []string{"--name", "sd-site", "-e", "TOKEN=hunter2", "--restart", "on-failure:2"}, "sleep", "1000")
	if unit := y.must(t, "generate", "systemd", "sd-site"); !strings.Contains(unit, " start --attach "+id) || strings.Contains(unit, "hunter2") {
		t.Errorf("unit:\n%s", unit)
	}
	if got := y.run(t, "generate", "systemd", "--new", id); got.code == 0 || strings.Contains(got.out+got.err, "hunter2") || !strings.Contains(got.err, "TOKEN") {
		t.Errorf("%d\n%s%s", got.code, got.out, got.err)
	}
	dir := t.TempDir()
	cmd := y.launch(t, "generate", "systemd", "--new", "--files", "--name", "sd-site")
	cmd.Dir = dir
	got := finish(t, cmd)
	env := filepath.Join(dir, "container-sd-site.env")
	unit, err := os.ReadFile(filepath.Join(dir, "container-sd-site.service"))
	if got.code != 0 || err != nil || strings.Contains(string(unit), "hunter2") || !strings.Contains(string(unit), "--env-file="+env) || !strings.Contains(got.err, "TOKEN") {
		t.Errorf("%d, %v\n%s%s", got.code, err, unit, got.err)
	}
	info, err := os.Stat(env)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, bad := range [][]string{
		{"nobody"}, {}, {"--after", "x y", id}, {"--restart-policy", "sometimes", id}, {"--stop-timeout", "-1", id}, {"--boot", id}, {"--program", "relative", id},
	} {
		if got := y.run(t, append([]string{"generate", "systemd"}, bad...)...); got.code == 0 || got.out != "" || !strings.Contains(got.err, "hint:") {
			t.Errorf("%q: %d\n%s%s", bad, got.code, got.out, got.err)
		}
	}
	y.detach(t, []string{"--name", "sd-gone", "--rm"}, "sleep", "1000")
	if got := y.run(t, "generate", "systemd", "sd-gone"); got.code == 0 || !strings.Contains(got.err, "hint: add --new") {
		t.Errorf("%d\n%s%s", got.code, got.out, got.err)
	}
	if got := y.run(t, "generate", "systemd", "--boot", "--format", "json"); got.code != 0 || !strings.Contains(got.out, `"safe-run-restart.service": "[Unit]`) {
		t.Errorf("%d\n%s%s", got.code, got.out, got.err)
	}
}
