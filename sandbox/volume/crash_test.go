package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCrash: what a process that was killed leaves half made or half removed
// goes, and nothing else does.
func TestCrash(t *testing.T) {
	s := open(t)
	create(t, s, Options{Name: "data"})
	making, removing, made := s.path(newPrefix+"1"), s.path(gonePrefix+"1"), s.path(newPrefix+"2")
	for _, dir := range []string{making, removing, made} {
		if err := os.MkdirAll(filepath.Join(dir, dataDir, "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(made) // somebody is just at it
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if taken, err := tryFlock(int(f.Fd()), unix.LOCK_EX); err != nil || !taken {
		t.Fatal(err)
	}
	if all, err := s.List(); err != nil || len(all) != 1 {
		t.Errorf("listed: %+v, %v", all, err)
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{making: false, removing: false, made: true, s.path("data"): true} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", path, err == nil, want)
		}
	}
}

// TestCrashWhileFilling: one that was killed between the content and the record
// has its content, and one that was killed within the content begins anew.
func TestCrashWhileFilling(t *testing.T) {
	s, image := open(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(image, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	create(t, s, Options{Name: "data"})
	half := filepath.Join(s.path("data"), fillDir, "half")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	u := Use{Options: Options{Name: "data"}, Mapped: true, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Content: func() (*os.Root, error) { return os.OpenRoot(image) }}
	for i, filled := range []bool{true, false} {
		h, err := s.Hold(context.Background(), u)
		if err != nil || h.Filled != filled {
			t.Fatalf("%d: filled %t, %v", i, h.Filled, err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(s.DataPath("data"), "file"))
		if err != nil || string(data) != "content" {
			t.Errorf("%d: %q, %v", i, data, err)
		}
		// As if it had been killed before the record was written.
		v, err := s.Get("data")
		if err != nil || v.Fresh {
			t.Fatalf("%d: %+v, %v", i, v, err)
		}
		v.Fresh = true
		if err := s.editSoon("data", func(dir int) error { return writeRecord(dir, v) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(half); !errors.Is(err, os.ErrNotExist) {
		t.Error("the half of a copy is still there")
	}
}

// TestFullDisk: a volume that cannot be written down is not there.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: a full disk was not checked")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,nr_inodes=64"); err != nil {
		t.Skipf("mount a tmpfs: %v: a full disk was not checked", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s, err := Open(filepath.Join(dir, "volumes"))
	if err != nil {
		t.Fatal(err)
	}
	fill, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer fill.Close()
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	_, _, err = s.Create(Options{Name: "data"})
	hinted(t, "full", err, "no space left")
	if names, _ := s.entries(); len(names) > 0 {
		t.Errorf("left in the store: %q", names)
	}
	if err := fill.Truncate(0); err != nil {
		t.Fatal(err)
	}
	create(t, s, Options{Name: "data"})
	_, _, err = s.Create(Options{Name: "sized", Size: 1 << 20})
	hinted(t, "a size on tmpfs", err, "no size can be kept")
	if !errors.Is(err, ErrNoSize) || !strings.Contains(err.Error(), "is on tmpfs") {
		t.Error(err)
	}
	if names, _ := s.entries(); len(names) != 1 {
		t.Errorf("left in the store: %q", names)
	}
}

// TestRemoveDeep: a tree deeper than a process may open is removed all the same.
func TestRemoveDeep(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 256
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) })
	path := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 { // the path would have 5,000 bytes
		if err := unix.Mkdirat(fd, "down", 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, "down", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		unix.Close(fd)
		if err != nil {
			t.Fatal(err)
		}
		fd = next
	}
	unix.Close(fd)
	if err := removeTree(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("it is still there")
	}
}
