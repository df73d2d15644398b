package view

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// TestLikeTheKernel holds View against overlayfs: random stacks of layers must
// be the same tree through both.
func TestLikeTheKernel(t *testing.T) {
	needRoot(t)
	// A mount namespace of its own, that ends with this thread.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Skipf("NOT CHECKED against overlayfs: no mount namespace can be made: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	stacks, merges := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		stacks++
		work := filepath.Join(dir, fmt.Sprint(stacks))
		defer os.RemoveAll(work)
		layers := drawStack(t, work)
		want := throughKernel(t, work, layers)
		got := throughView(t, layers)
		if !slices.Equal(got, want) {
			t.Fatalf("through View:\n%s\nthrough overlayfs:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if len(want) > 3 {
			merges++
		}
	})
	if merges == 0 {
		t.Errorf("none of %d stacks had anything in it", stacks)
	}
}

// names are few, so that layers meet; some are odd.
var names = rapid.SampledFrom([]string{"a", "b", "c", "a:b", "new\nline", "x,y", `\`, "..."})

// drawStack writes random layers and gives their paths, lowest first.
func drawStack(t *rapid.T, work string) []string {
	var layers []string
	for i := range rapid.IntRange(1, 6).Draw(t, "layers") {
		layer := filepath.Join(work, fmt.Sprint(i))
		if err := os.MkdirAll(layer, 0o755); err != nil {
			t.Fatal(err)
		}
		layers = append(layers, layer)
		for range rapid.IntRange(0, 8).Draw(t, "files") {
			drawFile(t, layer)
		}
	}
	return layers
}

// drawFile makes one file in a layer; where another is in the way, none.
func drawFile(t *rapid.T, layer string) {
	at := filepath.Join(append([]string{layer}, rapid.SliceOfN(names, 1, 3).Draw(t, "path")...)...)
	kind := rapid.SampledFrom([]string{"file", "dir", "dir", "link", "fifo", "whiteout", "device"}).Draw(t, "kind")
	owner := rapid.IntRange(0, 3).Draw(t, "owner")
	mode := rapid.SampledFrom([]uint32{0o755, 0o700, 0o1777}).Draw(t, "mode")
	if _, err := os.Lstat(at); err == nil {
		return
	}
	err := os.MkdirAll(filepath.Dir(at), 0o755)
	if err == nil {
		switch kind {
		case "device":
			err = unix.Mknod(at, unix.S_IFCHR, int(unix.Mkdev(1, 3)))
		case "dir":
			err = os.Mkdir(at, 0o755)
		default:
			err = file{filepath.Base(at), kind, at}.write(filepath.Dir(at))
		}
	}
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, fs.ErrExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(at, owner, owner); err != nil {
		t.Fatal(err)
	}
	if kind == "dir" {
		if err := unix.Chmod(at, mode); err != nil {
			t.Fatal(err)
		}
	}
}

// line describes one file of a tree.
func line(path string, info fs.FileInfo, content string) string {
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%q %s %d:%d %d %q", path, info.Mode(), st.Uid, st.Gid, st.Rdev, content)
}

func throughView(t *rapid.T, layers []string) []string {
	v, err := Open(layers)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var lines []string
	err = v.Walk(func(e Entry) (err error) {
		var content string
		switch {
		case e.Info.Mode().IsRegular():
			var b []byte
			b, err = v.ReadFile(e.Path, 1<<10)
			content = string(b)
		case e.Info.Mode()&fs.ModeSymlink != 0:
			content, err = e.Readlink()
		}
		if again, err := v.Lstat(e.Path); err != nil || !os.SameFile(again, e.Info) {
			t.Errorf("Lstat(%q) = %v, %v, which is not what Walk shows", e.Path, again, err)
		}
		lines = append(lines, line(e.Path, e.Info, content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func throughKernel(t *rapid.T, work string, layers []string) []string {
	lower := []string{filepath.Join(work, "empty")} // overlayfs wants two
	merged := filepath.Join(work, "merged")
	for _, d := range []string{lower[0], merged} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	lower = append(lower, layers...)
	slices.Reverse(lower)
	if err := unix.Mount("overlay", merged, "overlay", unix.MS_RDONLY, "lowerdir="+strings.Join(lower, ":")); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(merged, 0)
	var lines []string
	var walk func(path string)
	walk = func(path string) {
		at := filepath.Join(merged, path)
		info, err := os.Lstat(at)
		// In a directory that only one layer has, overlayfs lists whiteouts,
		// though nothing is there.
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var content string
		var children []os.DirEntry
		switch info.Mode().Type() {
		case 0:
			var b []byte
			b, err = os.ReadFile(at)
			content = string(b)
		case fs.ModeSymlink:
			content, err = os.Readlink(at)
		case fs.ModeDir:
			children, err = os.ReadDir(at)
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line(path, info, content))
		for _, child := range children {
			walk(filepath.Join(path, child.Name()))
		}
	}
	walk(".")
	return lines
}
