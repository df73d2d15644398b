package vm

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestArchive has the archive unpacked by cpio(1), where it is installed, and
// compares a small one byte by byte everywhere.
func TestArchive(t *testing.T) {
	var out bytes.Buffer
	a := Archive{Out: &out}
	a.Entry("dir", ModeDir, nil)
	a.Entry("dir/file", ModeFile, []byte("hello"))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if out.Len()%4 != 0 {
		t.Errorf("%d bytes, want a multiple of four", out.Len())
	}
	const first = "070701" + "00000001" + "000041ed" + "00000000" + "00000000" + "00000002" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000004" + "00000000" + "dir\x00" + "\x00\x00"
	if !strings.HasPrefix(out.String(), first+"070701") {
		t.Errorf("the archive begins %q, want %q", out.String()[:len(first)+6], first)
	}
	if !strings.Contains(out.String(), "dir/file\x00\x00hello\x00\x00\x00070701") {
		t.Errorf("the file is not padded as it should be: %q", out.String())
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("busybox is not installed: that a foreign program can read the archive was not checked")
	}
	unpack := exec.Command(busybox, "cpio", "-i")
	unpack.Dir, unpack.Stdin = t.TempDir(), &out
	if text, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, text)
	}
	if data, err := os.ReadFile(filepath.Join(unpack.Dir, "dir/file")); string(data) != "hello" {
		t.Errorf("unpacked %q (%v)", data, err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestArchiveFails(t *testing.T) {
	a := Archive{Out: broken{}}
	a.Entry("dir", ModeDir, nil)
	if err := a.Close(); err == nil {
		t.Error("an archive that could not be written is no error")
	}
}

func TestOrder(t *testing.T) {
	graph := map[string][]string{"/a": {"b", "c"}, "/b": {"c"}, "/c": nil, "/d": {"gone"}}
	paths := map[string]string{"a": "/a", "b": "/b", "c": "/c", "d": "/d"}
	needs := func(path string) ([]string, error) { return graph[path], nil }
	got, err := Order(paths, []string{"a", "c"}, needs)
	if want := []string{"/c", "/b", "/a"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("order = %v, %v, want %v", got, err, want)
	}
	if _, err := Order(paths, []string{"d"}, needs); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a module that is not there: %v", err)
	}
}

// TestPlace: what a symbolic link leads to is placed, and not the link, which
// would lead nowhere in a machine; directories keep theirs.
func TestPlace(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(from, "program"), []byte("program"), 0o755), os.Symlink("program", filepath.Join(from, "near")),
		os.Symlink(filepath.Join(from, "near"), filepath.Join(from, "far")),
	); err != nil {
		t.Fatal(err)
	}
	for name, what := range map[string]string{"bin/far": "far", "bin/near": "near", "bin/program": "program", "all": "."} {
		if err := place(filepath.Join(to, name), filepath.Join(from, what)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bin/far", "bin/near", "bin/program"} {
		info, err := os.Lstat(filepath.Join(to, name))
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if link, err := os.Readlink(filepath.Join(to, "all/near")); link != "program" {
		t.Errorf("a link in a directory leads to %q: %v", link, err)
	}
	if err := place(filepath.Join(to, "none"), filepath.Join(from, "none")); err == nil {
		t.Error("what is not there was placed")
	}
}
