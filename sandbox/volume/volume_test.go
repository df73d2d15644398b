package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "volumes"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t *testing.T, s *Store, o Options) Volume {
	t.Helper()
	v, created, err := s.Create(o)
	if err != nil || !created {
		t.Fatalf("create %s: created %t, %v", o.Name, created, err)
	}
	return v
}

// hinted fails unless err is one line of text with a hint.
func hinted(t *testing.T, what string, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") || problem.HintOf(err) == "" {
		t.Errorf("%s: %v, hint %q; want %q and a hint", what, err, problem.HintOf(err), text)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"data": true, "a1": true, "A_b.c-d": true, "0x": true, strings.Repeat("a", 255): true,
		"": false, "a": false, ".data": false, "-a": false, "_a": false, "a/b": false, "..": false, "a b": false, "a\x00": false, "ä1": false,
		"a\n": false, newPrefix + "1": false, gonePrefix + "1": false, strings.Repeat("a", 256): false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
	if name := NewName(); !validID(name) || !ValidName(name) {
		t.Errorf("made up: %q", name)
	}
	s := open(t)
	for _, name := range []string{"", "../x", "x/../../y", ".gone-1"} {
		_, _, err := s.Create(Options{Name: name})
		hinted(t, name, err, "cannot be the name of a volume")
		if err := s.Remove(Removal{Name: name, Force: true}); !errors.Is(err, ErrNotFound) {
			t.Errorf("remove %q: %v", name, err)
		}
	}
}

func TestCreate(t *testing.T) {
	s := open(t)
	v := create(t, s, Options{Name: "data", Labels: map[string]string{"a": "b"}})
	if !v.Fresh || v.Created.IsZero() {
		t.Errorf("%+v", v)
	}
	again, created, err := s.Create(Options{Name: "data", Labels: map[string]string{"x": "y"}})
	if err != nil || created || again.Labels["a"] != "b" {
		t.Errorf("again: %+v, %t, %v", again, created, err)
	}
	_, _, err = s.Create(Options{Name: "data", Size: 1 << 20})
	hinted(t, "a size that it does not have", err, "is there already, and has no size")
	_, _, err = s.Create(Options{Name: "small", Size: 10})
	hinted(t, "no room", err, "no room for a file")
	for path, want := range map[string]os.FileMode{"": 0o700, "data": 0o700, "data/_data": 0o755, "data/volume.json": 0o600} {
		info, err := os.Lstat(filepath.Join(s.Root(), path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", path, info, err, want)
		}
	}
	if names, _ := s.entries(); len(names) != 1 {
		t.Errorf("left in the store: %q", names)
	}
}

// TestTenCreate: of ten who make the same volume at once one does.
func TestTenCreate(t *testing.T) {
	s := open(t)
	for range 20 {
		var made sync.Map
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				_, created, err := s.Create(Options{Name: "data"})
				if err != nil {
					t.Error(err)
				}
				if created {
					made.Store(i, true)
				}
			})
		}
		all.Wait()
		n := 0
		made.Range(func(any, any) bool { n++; return true })
		if names, _ := s.entries(); n != 1 || len(names) != 1 {
			t.Fatalf("made %d times; in the store: %q", n, names)
		}
		if err := s.Remove(Removal{Name: "data"}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRemoveOrUse: whoever holds a volume has it, whatever others remove.
func TestRemoveOrUse(t *testing.T) {
	s := open(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 40 {
				h, err := s.Hold(context.Background(), Use{Options: Options{Name: "data"}, Mapped: true, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())})
				if err != nil {
					t.Error(err)
					return
				}
				file := filepath.Join(s.DataPath("data"), NewName())
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Errorf("held, and gone: %v", err)
				}
				if err := errors.Join(os.Remove(file), h.Close()); err != nil {
					t.Errorf("held, and gone: %v", err)
				}
			}
		})
		all.Go(func() {
			for range 40 {
				if err := s.Remove(Removal{Name: "data"}); err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := s.Sweep(); err != nil {
		t.Error(err)
	}
	if names, _ := s.entries(); len(names) > 1 {
		t.Errorf("left in the store: %q", names)
	}
}

func TestInUse(t *testing.T) {
	s := open(t)
	h, err := s.Hold(context.Background(), Use{Options: Options{Name: "data"}, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())})
	if err != nil || !h.Created || h.Fresh {
		t.Fatalf("%+v, %v", h, err)
	}
	hinted(t, "one that is held", s.Remove(Removal{Name: "data", Force: true}), "is in use")
	if all, err := s.List(); err != nil || len(all) != 1 || !all[0].Held {
		t.Errorf("%+v, %v", all, err)
	}
	if err := errors.Join(h.Close(), h.Close()); err != nil {
		t.Error(err)
	}
	err = s.Remove(Removal{Name: "data", Used: func() error { return ErrInUse }})
	hinted(t, "one that is needed", err, "is in use")
	if all, _ := s.List(); len(all) != 1 || all[0].Held {
		t.Errorf("%+v", all)
	}
	if err := s.Remove(Removal{Name: "data"}); err != nil {
		t.Error(err)
	}
	hinted(t, "one that is not there", s.Remove(Removal{Name: "data"}), "no such volume")
}

// TestDamage: what is not as it was left is listed, used by nobody, and removed
// only when that is meant.
func TestDamage(t *testing.T) {
	for what, damage := range map[string]func(dir string) error{
		"record":    func(dir string) error { return os.WriteFile(filepath.Join(dir, recordFile), []byte("{"), 0o600) },
		"no record": func(dir string) error { return os.Remove(filepath.Join(dir, recordFile)) },
		"fifo record": func(dir string) error {
			f := filepath.Join(dir, recordFile)
			return errors.Join(os.Remove(f), syscall.Mkfifo(f, 0o600))
		},
		"other record": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, recordFile), []byte(`{"name":"other"}`), 0o600)
		},
		"huge record": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, recordFile), make([]byte, maxRecord+1), 0o600)
		},
		"linked record": func(dir string) error {
			f := filepath.Join(dir, recordFile)
			return errors.Join(os.Remove(f), os.Symlink("/etc/passwd", f))
		},
		"no files": func(dir string) error { return os.Remove(filepath.Join(dir, dataDir)) },
		"linked files": func(dir string) error {
			f := filepath.Join(dir, dataDir)
			return errors.Join(os.Remove(f), os.Symlink("/etc", f))
		},
		"link": func(dir string) error { return errors.Join(os.Rename(dir, dir+"-moved"), os.Symlink("/etc", dir)) },
		"file": func(dir string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)) },
	} {
		s := open(t)
		create(t, s, Options{Name: "data"})
		if err := damage(s.path("data")); err != nil {
			t.Fatal(err)
		}
		all, err := s.List()
		if err != nil || len(all) == 0 || all[0].Name != "data" || !errors.Is(all[0].Damage, ErrDamaged) {
			t.Errorf("%s: listed as %+v, %v", what, all, err)
		}
		_, err = s.Hold(context.Background(), Use{Options: Options{Name: "data"}})
		hinted(t, what, err, "it is damaged: ")
		if err := s.Remove(Removal{Name: "data"}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: removed without force: %v", what, err)
		}
		if err := s.Remove(Removal{Name: "data", Force: true}); err != nil {
			t.Errorf("%s: with force: %v", what, err)
		}
		if _, err := os.Lstat(s.path("data")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: still there", what)
		}
	}
	if _, err := os.Stat("/etc/passwd"); err != nil {
		t.Fatal("a link was followed")
	}
}

func TestStoreOfOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(dir, "file"))
	hinted(t, "a file", err, "is no directory")
	if err := os.Symlink("/tmp", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	_, err = Open(filepath.Join(dir, "link"))
	hinted(t, "a link", err, "is no directory")
	_, err = Open("relative")
	hinted(t, "a relative path", err, "not an absolute path")
	shared := filepath.Join(dir, "shared")
	if err := errors.Join(os.Mkdir(shared, 0o755), os.Chmod(shared, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(shared); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(shared); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into it: %v, %v", info.Mode(), err)
	}
	if os.Geteuid() != 0 {
		t.Skip("not root: that a store of somebody else's is refused was not checked")
	}
	if err := os.Chown(shared, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	_, err = Open(shared)
	hinted(t, "somebody else's", err, "belongs to somebody else")
}
