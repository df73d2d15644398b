package view

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// file is what a layer of a test has at a path.
type file struct {
	path, kind, content string // kind: file, dir, link, fifo or whiteout
}

// makeLayers writes layers below a new directory, the lowest first.
func makeLayers(t testing.TB, layers ...[]file) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i, files := range layers {
		layer := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(layer, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := f.write(layer); err != nil {
				t.Fatal(err)
			}
		}
		paths = append(paths, layer)
	}
	return paths
}

func (f file) write(layer string) error {
	at := filepath.Join(layer, f.path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	switch f.kind {
	case "file":
		return os.WriteFile(at, []byte(f.content), 0o644)
	case "dir":
		return os.MkdirAll(at, 0o755)
	case "link":
		return os.Symlink(f.content, at)
	case "fifo":
		return unix.Mkfifo(at, 0o600)
	case "whiteout":
		return unix.Mknod(at, unix.S_IFCHR, 0)
	}
	return errors.New("no such kind: " + f.kind)
}

func open(t testing.TB, layers []string) *View {
	t.Helper()
	v, err := Open(layers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED without root: whiteouts are device files")
	}
}

// hostile is an image that is merged from three layers, links and loops in it.
func hostile(t testing.TB) []string {
	needRoot(t)
	return makeLayers(t,
		[]file{
			{"usr/etc/passwd", "file", "lowest"}, {"usr/etc/group", "file", "lowest"}, {"usr/etc/shadow", "file", "lowest"},
			{"gone/below", "file", "lowest"}, {"was/dir", "file", "lowest"}, {"again/below", "file", "lowest"},
		},
		[]file{
			{"etc", "link", "usr/etc"}, {"usr/etc/group", "file", "middle"}, {"usr/etc/shadow", "whiteout", ""},
			{"gone", "whiteout", ""}, {"was", "file", "middle"}, {"again", "whiteout", ""},
		},
		[]file{
			{"loop", "link", "loop"}, {"ping", "link", "pong"}, {"pong", "link", "/ping"}, {"out", "link", "../../../etc/shadow"},
			{"abs", "link", "/etc/passwd"}, {"up", "link", "usr/../../../etc/group"}, {"fifo", "fifo", ""}, {"dangling", "link", "no/where"},
			{"odd\nname", "file", "odd"}, {"again/new", "file", "top"}, {"deep", "link", strings.Repeat("usr/../", 300)},
			{"d/l", "link", "../usr"},
		})
}

func TestReadFile(t *testing.T) {
	v := open(t, hostile(t))
	for _, c := range []struct {
		path, want string
		err        error
	}{
		{"etc/passwd", "lowest", nil},
		{"/etc/passwd", "lowest", nil},
		{"/etc/group", "middle", nil},
		{"/etc/shadow", "", fs.ErrNotExist},
		{"gone/below", "", fs.ErrNotExist},
		{"was", "middle", nil},
		{"was/dir", "", unix.ENOTDIR},
		{"again/below", "", fs.ErrNotExist},
		{"again/new", "top", nil},
		{"abs", "lowest", nil},
		{"up", "middle", nil},
		{"out", "", fs.ErrNotExist},
		{"../../etc/passwd", "lowest", nil},
		{"d/l/etc/group", "middle", nil},
		{"d/l/../etc/group", "middle", nil},
		{"loop", "", ErrLoop},
		{"ping", "", ErrLoop},
		{"dangling", "", fs.ErrNotExist},
		{"deep", "", ErrTooDeep},
		{strings.Repeat("a/", 300), "", fs.ErrNotExist},
		{strings.Repeat("usr/../", 300), "", ErrTooDeep},
		{"fifo", "", ErrIrregular},
		{"usr", "", ErrIrregular},
		{".", "", ErrIrregular},
		{"odd\nname", "odd", nil},
		{"odd\nother", "", fs.ErrNotExist},
		{"nul\x00", "", unix.EINVAL},
	} {
		got, err := v.ReadFile(c.path, 100)
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("ReadFile(%.40q) = %q, %v; want %q, %v", c.path, got, err, c.want, c.err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("ReadFile(%.40q): the error has the name as it is: %q", c.path, err)
		}
	}
	if _, err := v.ReadFile("/etc/passwd", 5); !errors.Is(err, ErrTooLarge) {
		t.Errorf("6 bytes of at most 5: %v", err)
	}
	if got, err := v.ReadFile("/etc/passwd", 6); err != nil || len(got) != 6 {
		t.Errorf("6 bytes of at most 6: %q, %v", got, err)
	}
}

func TestLstatReadlinkAndReadDir(t *testing.T) {
	v := open(t, hostile(t))
	if info, err := v.Lstat("etc"); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("Lstat(etc) = %v, %v; want the link", info, err)
	}
	for _, name := range []string{"etc/", "etc/."} {
		if info, err := v.Lstat(name); err != nil || !info.IsDir() {
			t.Errorf("Lstat(%s) = %v, %v; want what the link points to", name, info, err)
		}
	}
	if _, err := v.Lstat("was/"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("Lstat(was/) = %v, want ENOTDIR", err)
	}
	if target, err := v.Readlink("d/l"); err != nil || target != "../usr" {
		t.Errorf("Readlink(d/l) = %q, %v", target, err)
	}
	if _, err := v.Readlink("usr"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("Readlink of a directory: %v, want EINVAL", err)
	}
	list, err := v.ReadDir("etc")
	var names []string
	for _, info := range list {
		names = append(names, info.Name())
	}
	if err != nil || !slices.Equal(names, []string{"group", "passwd"}) {
		t.Errorf("ReadDir(etc) = %v, %v", names, err)
	}
	if _, err := v.ReadDir("was"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("ReadDir of a file: %v, want ENOTDIR", err)
	}
}

func TestWalk(t *testing.T) {
	v := open(t, hostile(t))
	var got []string
	err := v.Walk(func(e Entry) error {
		line := fmt.Sprintf("%d %s", e.Layer, e.Path)
		switch {
		case e.Info.Mode().IsRegular():
			f, err := e.Open()
			if err != nil {
				return err
			}
			f.Close()
		case e.Path == "d" || e.Path == "usr/etc":
			return fs.SkipDir
		case e.Info.Mode()&fs.ModeSymlink != 0 && len(e.Path) == 3:
			target, err := e.Readlink()
			if err != nil {
				return err
			}
			line += " -> " + target
		case e.Path == "fifo":
			if _, err := e.Open(); !errors.Is(err, ErrIrregular) {
				t.Errorf("a FIFO was opened: %v", err)
			}
		}
		if e.Path != "deep" && e.Path != "dangling" {
			got = append(got, line)
		}
		return nil
	})
	want := []string{
		"2 .", "2 abs -> /etc/passwd", "2 again", "2 again/new", "1 etc -> usr/etc", "2 fifo", "2 loop",
		"2 odd\nname", "2 out -> ../../../etc/shadow", "2 ping", "2 pong", "2 up", "1 usr", "1 was",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	stop := errors.New("stop")
	if err := v.Walk(func(e Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of fn came back as %v", err)
	}
}

func TestWalkEndsInADeepTree(t *testing.T) {
	layers := makeLayers(t, []file{{strings.Repeat("d/", maxParts+1), "dir", ""}})
	if err := open(t, layers).Walk(func(Entry) error { return nil }); !errors.Is(err, ErrTooDeep) {
		t.Errorf("%v, want ErrTooDeep", err)
	}
	layers = makeLayers(t, []file{{strings.Repeat("d/", maxParts-1), "dir", ""}})
	if err := open(t, layers).Walk(func(Entry) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestOpenLayers(t *testing.T) {
	dir := makeLayers(t, []file{{"x", "file", ""}, {"link", "link", "."}})[0]
	for what, layers := range map[string][]string{
		"none": nil, "missing": {dir, dir + "/none"}, "a file": {dir, dir + "/x"}, "a link": {dir, dir + "/link"},
	} {
		if v, err := Open(layers); err == nil {
			v.Close()
			t.Errorf("%s: opened", what)
		}
	}
	if _, err := Open([]string{dir, dir + "/no\nne"}); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q, want it in one line", err)
	}
}

func FuzzReadFile(f *testing.F) {
	if os.Getuid() != 0 {
		f.Skip("NOT CHECKED without root: whiteouts are device files")
	}
	v := open(f, hostile(f))
	for _, seed := range []string{"etc/passwd", "/up", "out", "d/l/../../..", "loop/x", "odd\nname", "\x00", "//./..", "etc/", "deep/etc/group"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		content, err := v.ReadFile(name, 100)
		if err == nil && !slices.Contains([]string{"lowest", "middle", "top", "odd"}, string(content)) {
			t.Errorf("%q leads to %q, which is not of the image", name, content)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x00\x1b") {
			t.Errorf("the error has the name as it is: %q", err)
		}
	})
}

// TestNearby looks at neighbours in a deep tree: the way down is not walked
// again for each of them, and what is remembered of it is not mistaken for
// another directory.
func TestNearby(t *testing.T) {
	deep := strings.Repeat("d/", maxParts-5)
	v := open(t, makeLayers(t, []file{{deep + "a", "file", "1"}, {deep + "b", "file", "2"}, {"e/d/a", "file", "3"}, {"l", "link", "e"}}))
	look := func(name, want string) {
		t.Helper()
		if got, err := v.ReadFile(name, 100); string(got) != want || want != "" && err != nil {
			t.Errorf("ReadFile(%.20q) = %q, %v; want %q", name, got, err, want)
		}
	}
	look(deep+"a", "1")
	began := time.Now()
	for range 300 {
		look(deep+"b", "2")
	}
	if took := time.Since(began); took > 15*time.Second { // a second; when each walks all of the way, a minute
		t.Errorf("300 looks at one file took %s", took)
	}
	look("e/d/a", "3")
	look("d/d/a", "")
	look("l/d/a", "3")
	look(deep+"../d/a", "1")
	look("e/../"+deep+"b", "2")
	look("e/d/a/", "")
	look(deep+"a/x", "")
	look(deep+"a", "1")
}
