package containerd

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestBecomes: the process that containerd's start left is the service, without
// another execution, in a process group and with streams of its own.
func TestBecomes(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sleep", "1000")...)
	defer e.remove("c")
	pids := e.shims()
	if len(pids) != 1 {
		t.Fatalf("shims: %v", pids)
	}
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pids[0]), "cmdline"))
	must(t, err)
	if !strings.HasSuffix(string(line), "\x00start\x00") {
		t.Errorf("it was executed as %q", line)
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pids[0]), "stat"))
	must(t, err)
	_, fields, _ := strings.Cut(string(stat), ") ")
	if group := strings.Fields(fields)[2]; group != strconv.Itoa(pids[0]) {
		t.Errorf("its process group is %s", group)
	}
	for _, fd := range []string{"0", "1"} {
		if to, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pids[0]), "fd", fd)); to != os.DevNull {
			t.Errorf("descriptor %s is %s: %v", fd, to, err)
		}
	}
}

// TestDeleteAnswered: what the service wrote down is answered, unless a socket is
// left that nobody answers at, which is removed.
func TestDeleteAnswered(t *testing.T) {
	newEngine(t, "") // which says what is missing
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	for _, part := range []string{"c/saferun", "none"} {
		must(t, os.MkdirAll(filepath.Join(dir, part), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(dir, "c/saferun/deleted"), []byte(socket+"\x00an answer"), 0o600))
	answer := func(id string) string {
		cmd := exec.Command(shimBin, "-namespace", "n", "-address", dir+"/a", "-id", id, "delete")
		cmd.Dir = filepath.Join(dir, "none")
		out, err := cmd.Output()
		must(t, err)
		return string(out)
	}
	if got := answer("c"); got != "an answer" {
		t.Errorf("without a socket: %q", got)
	}
	for _, id := range []string{"none", "../" + filepath.Base(dir) + "/c"} {
		if got := answer(id); got == "an answer" {
			t.Errorf("id %s: %q", id, got)
		}
	}
	l, err := net.Listen("unix", socket)
	must(t, err)
	if got := answer("c"); got != "an answer" {
		t.Errorf("beside a shim that answers: %q", got)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	must(t, l.Close())
	if got := answer("c"); got == "an answer" {
		t.Errorf("with a socket that nobody answers at: %q", got)
	}
}
