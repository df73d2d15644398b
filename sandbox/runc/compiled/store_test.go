package compiled_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

func saved(t *testing.T) (s compiled.Store, encoded []byte) {
	t.Helper()
	s, encoded = compiled.Store{Dir: filepath.Join(t.TempDir(), "filters")}, entry.Encode(key)
	if err := s.Save(key, encoded); err != nil {
		t.Fatal(err)
	}
	return s, encoded
}

func TestStore(t *testing.T) {
	s, encoded := saved(t)
	got, err := s.Load(key)
	if err != nil || !bytes.Equal(got, encoded) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	if _, err := s.Load("another"); err == nil {
		t.Error("there is one that was never saved")
	}
	for path, mode := range map[string]os.FileMode{s.Dir: os.ModeDir | 0o700, filepath.Join(s.Dir, key): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// TestStoreTrustsNobody: what others may have written is not read, whatever is in
// it, and a new one takes its place.
func TestStoreTrustsNobody(t *testing.T) {
	for name, spoil := range map[string]func(s compiled.Store, file string) error{
		"damaged":     func(_ compiled.Store, file string) error { return os.WriteFile(file, []byte("SRFILTER"), 0o600) },
		"cut":         func(_ compiled.Store, file string) error { return os.Truncate(file, 40) },
		"empty":       func(_ compiled.Store, file string) error { return os.Truncate(file, 0) },
		"too large":   func(_ compiled.Store, file string) error { return os.Truncate(file, 1<<40) },
		"readable":    func(_ compiled.Store, file string) error { return os.Chmod(file, 0o604) },
		"another's":   func(_ compiled.Store, file string) error { return os.Chown(file, 1000, 0) },
		"a link":      func(s compiled.Store, file string) error { return relink(file, filepath.Join(s.Dir, "real")) },
		"a fifo":      func(_ compiled.Store, file string) error { return mkfifo(file) },
		"by its name": func(_ compiled.Store, file string) error { return os.WriteFile(file, entry.Encode("another"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			s, encoded := saved(t)
			err := spoil(s, filepath.Join(s.Dir, key))
			if os.IsPermission(err) {
				t.Skip("NOT CHECKED: only root gives files away")
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Load(key); err == nil {
				t.Fatalf("%d bytes are read", len(got))
			}
			if err := s.Save(key, encoded); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Load(key); err != nil || !bytes.Equal(got, encoded) {
				t.Errorf("then: %d bytes: %v", len(got), err)
			}
		})
	}
	for name, spoil := range map[string]func(dir string) error{
		"an open directory": func(dir string) error { return os.Chmod(dir, 0o755) },
		"another's":         func(dir string) error { return os.Chown(dir, 1000, 0) },
		"a link":            func(dir string) error { return relink(dir, dir+".real") },
	} {
		t.Run("the store is "+name, func(t *testing.T) {
			s, encoded := saved(t)
			if err := spoil(s.Dir); err != nil {
				t.Skip("NOT CHECKED: only root gives files away: ", err)
			}
			if _, err := s.Load(key); err == nil {
				t.Error("it is read")
			}
			if s.Save(key, encoded) == nil {
				t.Error("it is written")
			}
		})
	}
}

func relink(path, to string) error {
	if err := os.Rename(path, to); err != nil {
		return err
	}
	return os.Symlink(to, path)
}

func mkfifo(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return unix.Mkfifo(path, 0o600)
}

// TestStoreIsBounded: of more than there may be, the oldest go, and what a killed
// launcher left goes with them.
func TestStoreIsBounded(t *testing.T) {
	s, encoded := saved(t)
	long := time.Now().Add(-time.Hour)
	left := filepath.Join(s.Dir, "new-1234")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{left, filepath.Join(s.Dir, key)} {
		if err := os.Chtimes(name, long, long.Add(time.Duration(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range compiled.MaxEntries {
		if err := s.Save(fmt.Sprintf("%064d", i), encoded); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(s.Dir)
	if err != nil || len(entries) != compiled.MaxEntries {
		t.Errorf("%d entries: %v", len(entries), err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what was left is there: %v", err)
	}
	if _, err := s.Load(key); err == nil {
		t.Error("the oldest is there")
	}
}

// TestStoreOnAFullDisk: nothing is kept, and nothing half.
func TestStoreOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4k,mode=0700"); err != nil {
		t.Skip("NOT CHECKED: a full disk: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if (compiled.Store{Dir: dir}).Save(key, entry.Encode(key)) == nil {
		t.Error("it says that it was saved")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d entries", len(entries))
	}
}
