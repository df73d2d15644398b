package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestBindMounts: what a bind mount is under the default profile, and with the
// words that loosen it.
func TestBindMounts(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	dir := t.TempDir()
	tests := []struct{ flag, look, want string }{
		{dir + ":/mnt", "mount /mnt", `\w+ nodev,noexec,nosuid,rw`},
		{dir + ":/mnt:ro", "mount /mnt", `\w+ nodev,noexec,nosuid,ro`},
		{dir + ":/mnt:exec", "mount /mnt", `\w+ nodev,nosuid,rw`},
		{dir + ":/mnt:ro", "write /mnt/file", `EROFS`},
		{dir + ":/mnt", "write /mnt/file", `ok`},
		{dir + ":/mnt", "exec /mnt", `EACCES`},
		{dir + ":/mnt:exec", "exec /mnt", `ok`},
		{dir + ":/mnt:exec", "setuid /mnt", `EPERM`},
		{dir + ":/new/place", "write /new/place/file", `ok`},
	}
	for _, test := range tests {
		flag := test.flag
		got := peek(t, []string{"-v", flag}, strings.Fields(test.look)...)
		if !whole(test.want, got.line()) {
			t.Errorf("-v %s, peek %s: %q (exit code %d), want %s\n%s", flag, test.look, got.line(), got.code, test.want, got.err)
		}
	}
	got := peek(t, []string{"--mount", "type=bind,source=" + dir + ",target=/mnt,readonly"}, "write", "/mnt/file")
	if got.line() != "EROFS" {
		t.Errorf("--mount with readonly: %q\n%s", got.line(), got.err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("something was left in the directory: %v", entries)
	}
}

// TestBindOwner: what the container writes belongs to the owner of the
// directory on the host, whoever that is.
func TestBindOwner(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	for _, owner := range []int{0, 1234, 65532} {
		dir := t.TempDir()
		if err := os.Chown(dir, owner, owner+1); err != nil {
			t.Fatal(err)
		}
		got := peek(t, []string{"-v", dir + ":/mnt"}, "keep", "/mnt/file", "text")
		if got.line() != "ok" {
			t.Errorf("directory of %d: %q\n%s", owner, got.line(), got.err)
			continue
		}
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, "file"), &st); err != nil {
			t.Fatal(err)
		}
		if int(st.Uid) != owner || int(st.Gid) != owner+1 {
			t.Errorf("directory of %d:%d: the file belongs to %d:%d", owner, owner+1, st.Uid, st.Gid)
		}
		if inside := peek(t, []string{"-v", dir + ":/mnt"}, "stat", "/mnt/file"); inside.line() != "65532:65532 644" {
			t.Errorf("directory of %d: inside, the file is %q, want the container's own", owner, inside.line())
		}
	}
}

// TestBindRefused: what would hand the host over is refused unless a profile
// names it with a reason.
func TestBindRefused(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	link := filepath.Join(t.TempDir(), "innocent")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"/", "/proc", "/proc/sys", "/sys", "/etc", "/etc/ssh", "/dev", "/dev/null", "/run/safe-run", "/var/lib/safe-run", link, "/no/such/dir"} {
		got := peek(t, []string{"-v", source + ":/mnt"}, "id")
		if got.code != 125 || !strings.Contains(got.err, "hint:") {
			t.Errorf("-v %s: exit code %d, want 125 and a hint:\n%s", source, got.code, got.err)
		}
	}
	named := profile(t, "mounts: {hostPaths: [{path: /etc, why: test}]}")
	if got := peek(t, append(named, "-v", "/etc:/mnt:ro"), "read", "/mnt/hostname"); got.code != 0 {
		t.Errorf("a host path that the profile names: exit code %d\n%s", got.code, got.err)
	}
	if got := peek(t, append(named, "-v", "/etc:/mnt"), "id"); got.code != 125 {
		t.Errorf("a host path named for reading, mounted for writing: exit code %d, want 125", got.code)
	}
}

// TestTmpfsFlag: --tmpfs adds a place to write.
func TestTmpfsFlag(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	if got := peek(t, []string{"--tmpfs", "/scratch:size=2m"}, "fill", "/scratch", "3"); got.line() != "ENOSPC" {
		t.Errorf("3 MiB into 2: %q\n%s", got.line(), got.err)
	}
	if got := peek(t, []string{"--tmpfs", "/scratch"}, "mount", "/scratch"); got.line() != "tmpfs nodev,noexec,nosuid,rw" {
		t.Errorf("--tmpfs: %q\n%s", got.line(), got.err)
	}
}
