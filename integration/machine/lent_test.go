package machine

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/vm"
)

// applets are programs of busybox that tests start by their own names.
const applets = "cat chroot cp dd echo false find grep head id kill ln ls mkdir mount nc nsenter ps rm sh sleep stty tail tar touch true umount unshare wc"

// withShell gives a machine busybox under the names that tests know.
func withShell(m vm.Machine) {
	busybox := m.Files["/usr/bin/busybox"]
	m.Files["/bin/busybox"], m.Files["/bin/sh"] = busybox, busybox
	for _, name := range strings.Fields(applets) {
		m.Files["/usr/bin/"+name] = busybox
	}
}

// library is a line of ldd's: the file that is loaded.
var library = regexp.MustCompile(`(?m)^\s*(?:\S+ => )?(/\S+) \(0x`)

// lend puts a program of this host's into a machine, at this place, with the
// libraries that it is linked with. A machine has Debian's kernel and no Debian.
func lend(t *testing.T, m vm.Machine, at, program string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("NOT CHECKED: what machines need %s for: %v", program, err)
	}
	m.Files[at] = path
	out, err := exec.Command("ldd", path).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "not a dynamic executable") {
		t.Fatalf("ldd %s: %v: %s", path, err, out)
	}
	for _, one := range library.FindAllStringSubmatch(string(out), -1) {
		m.Files[filepath.Clean(one[1])] = one[1]
	}
}
