package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

var testIDs = spec.IDRange{First: 0x70000000, Count: spec.IDsPerContainer}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED without root: mounts of the root filesystem")
	}
}

// image makes a small tree with what images have that gets in the way.
func image(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "image")
	for _, d := range []string{"", "usr/etc", "home/app", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"etc": "usr/etc", "var": "/../../usr", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "usr/etc/hosts"), []byte("the image's"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "home/app/own"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(dir, "home/app/own"), 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "tmp"), 0o1777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// assembled runs look on a thread where plan is mounted.
func assembled(t *testing.T, plan spec.Rootfs, look func(root string) error) {
	t.Helper()
	assembledIn(t, plan, func(root, _ string) error { return look(root) })
}

// assembledIn is assembled with the directory that it was assembled in.
func assembledIn(t *testing.T, plan spec.Rootfs, look func(root, dir string) error) {
	t.Helper()
	thread, err := NewThread()
	if err != nil {
		t.Fatal(err)
	}
	defer thread.Close()
	dir := t.TempDir()
	ids := StartIDs(testIDs)
	defer ids.Close()
	err = thread.Do(func() error {
		root, err := Assemble(plan, dir, ids)
		if err != nil {
			return err
		}
		return look(root, dir)
	})
	if err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("mounts are seen outside of the namespace: %v, %v", entries, err)
	}
}

func TestAssembleKeepsTheImageUntouched(t *testing.T) {
	needRoot(t)
	dir := image(t)
	before := listing(t, dir)
	plan := spec.Rootfs{
		Source: dir, ReadOnly: true, IDMap: true,
		Dirs:       []string{"/proc", "/var/lib/deep", "/tmp"},
		FileMounts: []string{"/data/file"},
		Files:      []spec.File{{Path: "/etc/hosts", Content: "ours", Mode: 0o644}},
	}
	assembled(t, plan, func(root string) error {
		if got, err := os.ReadFile(filepath.Join(root, "usr/etc/hosts")); err != nil || string(got) != "ours" {
			t.Errorf("/usr/etc/hosts, which /etc/hosts names, is %q, %v", got, err)
		}
		for path, want := range map[string]struct {
			dir bool
			uid uint32
		}{
			"proc": {true, 0}, "usr/lib/deep": {true, 0}, "tmp": {true, 0}, "data/file": {false, 0}, "home/app/own": {false, 1000},
		} {
			info, err := os.Lstat(filepath.Join(root, path))
			if err != nil {
				t.Error(err)
				continue
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; info.IsDir() != want.dir || uid != testIDs.First+want.uid {
				t.Errorf("%s: dir %v, uid %d; want %v, %d", path, info.IsDir(), uid, want.dir, testIDs.First+want.uid)
			}
		}
		if err := os.WriteFile(filepath.Join(root, "new"), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("write to the root: %v, want EROFS", err)
		}
		var st unix.Statfs_t
		if err := unix.Statfs(root, &st); err != nil || st.Flags&unix.ST_NOSUID == 0 || st.Flags&unix.ST_NODEV == 0 {
			t.Errorf("the root's flags are %#x, %v; want nosuid and nodev", st.Flags, err)
		}
		return nil
	})
	if after := listing(t, dir); after != before {
		t.Errorf("the image was changed:\n%s\nbefore:\n%s", after, before)
	}
}

func TestAssembleWritable(t *testing.T) {
	needRoot(t)
	dir := image(t)
	before := listing(t, dir)
	plan := spec.Rootfs{Source: dir, WritableBytes: 1 << 20, IDMap: true, Dirs: []string{"/proc"}}
	assembled(t, plan, func(root string) error {
		if err := os.WriteFile(filepath.Join(root, "home/app/new"), []byte("x"), 0o644); err != nil {
			t.Error(err)
		}
		err := os.WriteFile(filepath.Join(root, "big"), make([]byte, 4<<20), 0o644)
		if !errors.Is(err, unix.ENOSPC) {
			t.Errorf("4 MiB into a root of 1 MiB: %v, want ENOSPC", err)
		}
		return nil
	})
	if after := listing(t, dir); after != before {
		t.Errorf("the image was changed:\n%s", after)
	}
}

func TestAssembleWithoutAnImage(t *testing.T) {
	needRoot(t)
	plan := spec.Rootfs{ReadOnly: true, Dirs: []string{"/proc", "/tmp"}, FileMounts: []string{"/app"}}
	assembled(t, plan, func(root string) error {
		if info, err := os.Stat(filepath.Join(root, "app")); err != nil || !info.Mode().IsRegular() {
			t.Errorf("/app: %v, %v", info, err)
		}
		if err := os.Mkdir(filepath.Join(root, "x"), 0o755); !errors.Is(err, unix.EROFS) {
			t.Errorf("mkdir in the root: %v, want EROFS", err)
		}
		return nil
	})
}

func TestLinkLoopIsAnError(t *testing.T) {
	needRoot(t)
	thread, err := NewThread()
	if err != nil {
		t.Fatal(err)
	}
	defer thread.Close()
	ids := StartIDs(testIDs)
	defer ids.Close()
	err = thread.Do(func() error {
		_, err := Assemble(spec.Rootfs{Source: image(t), ReadOnly: true, Dirs: []string{"/loop/x"}}, t.TempDir(), ids)
		return err
	})
	if err == nil {
		t.Error("a mount point behind a loop of links was made")
	}
}

func TestManyUserNamespacesAtOnce(t *testing.T) {
	needRoot(t)
	var all []*IDs
	for i := range uint32(32) {
		all = append(all, StartIDs(spec.IDRange{First: testIDs.First + i*spec.IDsPerContainer, Count: spec.IDsPerContainer}))
	}
	for _, ids := range all {
		if _, err := ids.namespace(); err != nil {
			t.Error(err)
		}
		if err := ids.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSourceBehindALinkIsAnError(t *testing.T) {
	needRoot(t)
	dir := image(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if f, err := openSource(link); err == nil {
		f.Close()
		t.Error("a link was followed to the image's root")
	}
	f, err := openSource(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// listing is every path of a tree with mode and owner, in order.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var out string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		out += info.Mode().String() + " " + path + " " + info.ModTime().String() + " " + string(rune('0'+st.Uid%10)) + "\n"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestResolve(t *testing.T) {
	root, err := os.OpenRoot(image(t))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for in, want := range map[string]string{
		".": ".", "etc": "usr/etc", "var/lib": "usr/lib", "etc/../home": "usr/home", "../..": ".", "none/at/all": "none/at/all",
	} {
		if got, err := resolve(root, in); err != nil || got != want {
			t.Errorf("resolve(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}
