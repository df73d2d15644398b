package volume

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestStructs: the kernel's structures have the kernel's sizes.
func TestStructs(t *testing.T) {
	for name, sizes := range map[string][2]uintptr{
		"fsxattr": {unsafe.Sizeof(fsxattr{}), 28}, "fs_disk_quota": {unsafe.Sizeof(diskQuota{}), 112}, "fs_quota_statv": {unsafe.Sizeof(quotaState{}), 160},
	} {
		if sizes[0] != sizes[1] {
			t.Errorf("struct %s has %d bytes, want %d", name, sizes[0], sizes[1])
		}
	}
}

// quotaStore is a store on a filesystem that keeps project quotas.
func quotaStore(t *testing.T) *Store {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT CHECKED: that a size is kept: not root")
	}
	s := open(t)
	dir, err := os.Open(s.Root())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if enforced(dir) == nil {
		return s
	}
	image := filepath.Join(t.TempDir(), "image")
	for _, command := range [][]string{
		{"truncate", "-s", "64M", image},
		{"mkfs.ext4", "-q", "-O", "quota,project", "-E", "quotatype=prjquota", image},
		{"mount", "-o", "loop,prjquota", image, s.Root()},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("NOT CHECKED: that a size is kept: %q: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() { _ = unix.Unmount(s.Root(), unix.MNT_DETACH) })
	again, err := Open(s.Root())
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// fillAs writes as somebody without privileges until it fails, and gives how
// many bytes there was room for.
func fillAs(t *testing.T, dir string) (size int64, out string) {
	t.Helper()
	file := filepath.Join(dir, "file")
	cmd := exec.Command("dd", "if=/dev/zero", "of="+file, "bs=64k", "count=500")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	text, _ := cmd.CombinedOutput()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return info.Size(), string(text)
}

// TestSize: what is in a volume stays below its size, whoever is told so, and
// its quota goes with it.
func TestSize(t *testing.T) {
	t.Run("by descriptor", checkSized)
	t.Run("by device", func(t *testing.T) {
		byDevice = true
		defer func() { byDevice = false }()
		checkSized(t)
	})
}

func checkSized(t *testing.T) {
	s := quotaStore(t)
	for dir := s.Root(); dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil && dir != "/" { // dd goes there as nobody in particular
			t.Fatal(err)
		}
	}
	const size = 4 << 20
	v := create(t, s, Options{Name: "sized", Size: size})
	image := t.TempDir()
	if err := os.WriteFile(filepath.Join(image, "content"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	u := Use{Options: Options{Name: "sized"}, UID: 1000, GID: 1000, Mapped: true, Content: func() (*os.Root, error) { return os.OpenRoot(image) }}
	h, err := s.Hold(context.Background(), u)
	if err != nil || !h.Filled || h.Project != v.Project {
		t.Fatalf("%+v, %v", h, err)
	}
	if err := os.Chmod(s.path("sized"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, text := fillAs(t, s.DataPath("sized"))
	if got > size-1<<20 || got < size/2 {
		t.Errorf("there was room for %d bytes beside 1 MiB, of %d: %s", got, size, text)
	}
	if used, err := s.Usage(h.Volume); err != nil || used.AtLeast || used.Bytes < size/2 || used.Bytes > size {
		t.Errorf("used: %+v, %v", used, err)
	}
	h.Close()
	u.Mapped = false
	_, err = s.Hold(context.Background(), u)
	hinted(t, "without a user namespace", err, "no size can be kept")
	_, _, err = s.Create(Options{Name: "sized", Size: 2 * size})
	hinted(t, "another size", err, "is there already, with a size of")

	big := Use{Options: Options{Name: "small", Size: leastSize}, Mapped: true, Content: u.Content}
	_, err = s.Hold(context.Background(), big)
	hinted(t, "content that does not fit", err, "does not fit into volume small")

	// One whose quota somebody has changed is refused.
	data, err := os.Open(s.DataPath("sized"))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	if err := setLimit(data, v.Project, 0); err != nil {
		t.Fatal(err)
	}
	u.Mapped = true
	if _, err = s.Hold(context.Background(), u); !errors.Is(err, ErrNoSize) || !strings.Contains(err.Error(), "another one now") {
		t.Errorf("with another quota: %v", err)
	}
	data.Close()
	if err := s.Remove(Removal{Name: "sized"}); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(s.Root())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if has, err := readLimit(dir, v.Project); err != nil || has.blockHard != 0 || has.inodes != 0 {
		t.Errorf("the quota is still there: %+v, %v", has, err)
	}
}
