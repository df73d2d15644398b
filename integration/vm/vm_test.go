package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestArchive has the archive unpacked by cpio(1), where it is installed, and
// compares a small one byte by byte everywhere.
func TestArchive(t *testing.T) {
	var out bytes.Buffer
	a := archive{out: &out}
	a.entry("dir", modeDir, nil)
	a.entry("dir/file", modeFile, []byte("hello"))
	if err := a.close(); err != nil {
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
	a := archive{out: broken{}}
	a.entry("dir", modeDir, nil)
	if err := a.close(); err == nil {
		t.Error("an archive that could not be written is no error")
	}
}

func TestOrder(t *testing.T) {
	graph := map[string][]string{"/a": {"b", "c"}, "/b": {"c"}, "/c": nil, "/d": {"gone"}}
	paths := map[string]string{"a": "/a", "b": "/b", "c": "/c", "d": "/d"}
	needs := func(path string) ([]string, error) { return graph[path], nil }
	got, err := order(paths, []string{"a", "c"}, needs)
	if want := []string{"/c", "/b", "/a"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("order = %v, %v, want %v", got, err, want)
	}
	if _, err := order(paths, []string{"d"}, needs); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a module that is not there: %v", err)
	}
}

func TestReport(t *testing.T) {
	const text = "ok   0.1s one\r\nFAIL 1.0s two\n| because\n| of this\nnot checked three\nnoise\n"
	r := report{name: "guest", took: time.Minute}
	r.read(text)
	if r.complete {
		t.Error("complete without its end")
	}
	r.read("end\n")
	var out bytes.Buffer
	if r.print(&out) {
		t.Error("all is well, though a check failed")
	}
	for _, words := range []string{"one", "because\n      of this", "three", "1 ok, 1 failed, 1 NOT CHECKED"} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("nothing of %q in\n%s", words, out.String())
		}
	}
	for name, r := range map[string]report{
		"nothing":    {},
		"no success": {checks: []check{{verdict: verdictMissing}}},
		"broken":     {checks: []check{{verdict: verdictOK}}, broken: "it hung"},
	} {
		if r.print(&out) {
			t.Errorf("%s: all is well", name)
		}
	}
	if well := (report{checks: []check{{verdict: verdictOK}}}); !well.print(&out) {
		t.Error("one check that succeeded is not enough")
	}
}

func TestQuoted(t *testing.T) {
	if got := quoted([]string{"a", "b c", "it's"}); got != `a 'b c' 'it'\''s'` {
		t.Errorf("got %s", got)
	}
}
