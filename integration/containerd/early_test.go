package containerd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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
// left that nobody answers at, which is removed, or it is about another bundle.
func TestDeleteAnswered(t *testing.T) {
	newEngine(t, "") // which says what is missing
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	for _, part := range []string{"c/saferun", "none"} {
		must(t, os.MkdirAll(filepath.Join(dir, part), 0o755))
	}
	config := filepath.Join(dir, "c/config.json")
	must(t, os.WriteFile(config, nil, 0o600))
	about := func(more uint64) {
		info, err := os.Stat(config)
		must(t, err)
		st := info.Sys().(*syscall.Stat_t)
		head := fmt.Sprintf("%s\x00%d %d.%d\x00", socket, st.Ino+more, st.Mtim.Sec, st.Mtim.Nsec)
		must(t, os.WriteFile(filepath.Join(dir, "c/saferun/deleted"), []byte(head+"an answer"), 0o600))
	}
	about(0)
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
	about(1)
	if got := answer("c"); got == "an answer" {
		t.Errorf("about a bundle that was there before: %q", got)
	}
	about(0)
	must(t, os.Chtimes(config, time.Unix(1, 2), time.Unix(1, 2)))
	if got := answer("c"); got == "an answer" {
		t.Errorf("about one with the same inode: %q", got)
	}
	for _, text := range []string{"\x00", "\x00an answer", "\x001 1.1"} {
		must(t, os.WriteFile(filepath.Join(dir, "c/saferun/deleted"), []byte(socket+text), 0o600))
		if got := answer("c"); strings.Contains(got, "answer") {
			t.Errorf("cut off to %q: %q", text, got)
		}
	}
	about(0)
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
