package copy

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNothingHangs: what is no plain file is never opened.
func TestNothingHangs(t *testing.T) {
	box := plant(t, t.TempDir(), "d/a=1", "d/z=2")
	if err := errors.Join(unix.Mkfifo(box+"/d/fifo", 0o644), unix.Mkfifo(box+"/fifo", 0o644)); err != nil {
		t.Fatal(err)
	}
	host := t.TempDir()
	left, err := do(t.Context(), Job{From: End{Tree: inner(t, box), Path: "d"}, To: End{Tree: Host(), Path: host}})
	if got := tree(t, host); err != nil || got != "d/ d/a=1 d/z=2" || len(left) != 1 || !strings.Contains(left[0], "d/fifo is a FIFO") {
		t.Errorf("%s, %v, left out %v", got, err, left)
	}
	if _, err := do(t.Context(), Job{From: End{Tree: Host(), Path: host + "/d/a"}, To: End{Tree: inner(t, box), Path: "fifo"}}); err == nil || !strings.Contains(err.Error(), "neither a file nor a directory") {
		t.Errorf("written to a FIFO: %v", err)
	}
	other := t.TempDir()
	left, err = do(t.Context(), Job{From: End{Tree: Host(), Path: box + "/d/fifo"}, To: End{Tree: inner(t, other), Path: "x"}})
	if got := tree(t, other); err != nil || len(left) != 0 || got != "x?p---------" {
		t.Errorf("a FIFO into a container: %s, %v, %v", got, err, left)
	}
	for _, path := range []string{"/proc/self/status", "/sys", "/proc"} {
		if _, err := do(t.Context(), Job{From: End{Tree: Host(), Path: path}, To: End{Tree: inner(t, other), Path: "y"}}); err == nil || !strings.Contains(err.Error(), "made by the kernel") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestHoles: a file that is nearly all hole takes no room, and no time.
func TestHoles(t *testing.T) {
	dir := plant(t, t.TempDir(), "s=begin")
	f, err := os.OpenFile(dir+"/s", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("far"), 1<<40)
	if err = errors.Join(err, f.Truncate(1<<41), f.Close()); err != nil {
		t.Skipf("NOT CHECKED on this filesystem: no files of 2 TiB: %v", err)
	}
	if _, err := do(t.Context(), Job{From: End{Tree: Host(), Path: dir + "/s"}, To: End{Tree: inner(t, dir), Path: "copy"}}); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir+"/copy", &st); err != nil || st.Size != 1<<41 || st.Blocks > 1<<12 {
		t.Errorf("%d bytes in %d blocks, %v", st.Size, st.Blocks, err)
	}
	data := make([]byte, 3)
	if f, err = os.Open(dir + "/copy"); err == nil {
		_, err = f.ReadAt(data, 1<<40)
		f.Close()
	}
	if err != nil || string(data) != "far" {
		t.Errorf("%q %v", data, err)
	}
}

// endless is content that never ends; it tells when it is read.
type endless struct{ read chan struct{} }

func (e endless) Read(p []byte) (int, error) {
	select {
	case e.read <- struct{}{}:
	default:
	}
	clear(p)
	return len(p), nil
}

// TestStop: a copy that is stopped ends at once and leaves nothing half written.
func TestStop(t *testing.T) {
	dir := plant(t, t.TempDir(), "big=old")
	r, w := io.Pipe()
	defer r.Close()
	reading := endless{make(chan struct{}, 1)}
	go func() {
		_ = NewWriter(w).Put(Entry{Name: "big", Kind: File, Size: 1 << 50}, reading)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	j := Job{
		From: End{Stream: io.Reader(r)}, To: End{Tree: inner(t, dir), Path: "/"},
		LeftOut: func(string) {}, Progress: func(int64) { cancel() },
	}
	if err := j.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was stopped", err)
	}
	if got := tree(t, dir); got != "big=old" {
		t.Errorf("left: %.200s", got)
	}
}

// TestFull: of a file that does not fit nothing is left, and it is named.
func TestFull(t *testing.T) {
	needRoot(t)
	dir, small := plant(t, t.TempDir(), "d/a=1", "d/b="+strings.Repeat("x", 1<<20)), t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("NOT CHECKED: no tmpfs can be mounted: %v", err)
	}
	defer unix.Unmount(small, unix.MNT_DETACH)
	_, err := do(t.Context(), Job{From: End{Tree: inner(t, dir), Path: "d"}, To: End{Tree: Host(), Path: small}})
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), small+"/d/b") {
		t.Errorf("%v, want that there is no room for d/b", err)
	}
	if got := tree(t, small); got != "d/ d/a=1" {
		t.Errorf("left: %.200s", got)
	}
}
