package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFill: what an image has comes over with owner and mode, and nothing that
// gives power does.
func TestFill(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: that owners and devices are kept apart was not checked")
	}
	s, image, outside := open(t), t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(image, name) }
	err := errors.Join(
		os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600),
		os.Mkdir(at("dir"), 0o755), os.Chmod(at("dir"), 0o770|os.ModeSetgid|os.ModeSticky), os.Lchown(at("dir"), 999, 998),
		os.WriteFile(at("dir/file"), []byte("text"), 0o640), os.Lchown(at("dir/file"), 999, 70000),
		os.WriteFile(at("suid"), nil, 0o755), os.Chmod(at("suid"), 0o755|os.ModeSetuid|os.ModeSetgid),
		os.Link(at("dir/file"), at("hard")),
		os.Symlink(outside, at("out")), os.Symlink("../../..", at("up")), os.Lchown(at("up"), 5, 6),
		syscall.Mkfifo(at("fifo"), 0o600),
		unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		unix.Mknod(at("whiteout"), unix.S_IFCHR, 0),
		os.Chmod(image, 0o700), os.Lchown(image, 999, 998),
	)
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Hold(context.Background(), Use{Options: Options{Name: "data"}, UID: 1, GID: 2,
		Content: func() (*os.Root, error) { return os.OpenRoot(image) }})
	if err != nil || !h.Filled {
		t.Fatalf("%+v, %v", h, err)
	}
	defer h.Close()
	want := map[string]string{
		".": "drwx------ 999:998", "dir": "dgtrwxrwx--- 999:998", "dir/file": "-rw-r----- 999:0", "hard": "-rw-r----- 999:0",
		"suid": "-rwxr-xr-x 0:0", "out": "Lrwxrwxrwx 0:0 -> " + outside, "up": "Lrwxrwxrwx 5:6 -> ../../..",
	}
	got := look(t, s.DataPath("data"))
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s is %q, want %q", name, got[name], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("there is %v", got)
	}
	hard, file := filepath.Join(s.DataPath("data"), "hard"), filepath.Join(s.DataPath("data"), "dir/file")
	a, aerr := os.Stat(hard)
	b, berr := os.Stat(file)
	if aerr != nil || berr != nil || !os.SameFile(a, b) {
		t.Errorf("one file of two names became two: %v, %v", aerr, berr)
	}
}

func look(t *testing.T, dir string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		name, _ := filepath.Rel(dir, path)
		seen[name] = fmt.Sprintf("%s %d:%d", info.Mode(), st.Uid, st.Gid)
		if target, err := os.Readlink(path); err == nil {
			seen[name] += " -> " + target
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// TestFirstOwner: an empty volume belongs to the container's user, and to the
// image's only when that is somebody.
func TestFirstOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: owners were not checked")
	}
	mine := t.TempDir() // root's, as most of an image is
	for what, test := range map[string]struct {
		content func() (*os.Root, error)
		want    string
	}{
		"nocopy":       {nil, "drwxr-xr-x 65532:65532"},
		"nothing":      {func() (*os.Root, error) { return nil, nil }, "drwxr-xr-x 65532:65532"},
		"root's there": {func() (*os.Root, error) { return os.OpenRoot(mine) }, "drwxr-xr-x 65532:65532"},
	} {
		s := open(t)
		u := Use{Options: Options{Name: "data"}, UID: 65532, GID: 65532, Content: test.content}
		for range 2 { // the second has another user, and changes nothing
			h, err := s.Hold(context.Background(), u)
			if err != nil {
				t.Fatal(err)
			}
			if got := look(t, s.DataPath("data"))["."]; got != test.want {
				t.Errorf("%s: %s, want %s", what, got, test.want)
			}
			h.Close()
			u.UID, u.Content = 7, nil
		}
	}
}

// TestFillFails: a copy that does not end well leaves an empty volume, which
// the next container fills.
func TestFillFails(t *testing.T) {
	s, image := open(t), t.TempDir()
	deep := image
	for range mostDepth + 2 {
		deep = filepath.Join(deep, "d")
	}
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	u := Use{Options: Options{Name: "data"}, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Content: func() (*os.Root, error) { return os.OpenRoot(image) }}
	_, err := s.Hold(context.Background(), u)
	hinted(t, "too deep", err, "too deep")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = s.Hold(ctx, u); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	entries, err := os.ReadDir(s.path("data"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); err != nil || got != "_data lock volume.json" {
		t.Errorf("left: %q, %v", got, err)
	}
	if err := s.Remove(Removal{Name: "data"}); err != nil {
		t.Error(err)
	}
}
