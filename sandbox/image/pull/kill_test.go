package pull

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// wide is an image of n files in two layers, at dir.
func wide(t testing.TB, dir string, n int) string {
	t.Helper()
	layers := []imagetest.Files{{}, {}}
	for i := range n {
		layers[i%2]["d"+strconv.Itoa(i%7)+"/f"+strconv.Itoa(i)] = imagetest.File{Content: strings.Repeat(strconv.Itoa(i), 50)}
	}
	must(t, imagetest.New(spec.ImageConfig{}, layers...).Layout(dir, ""))
	return "oci:" + dir
}

// TestTogether has ten processes and goroutines want the same image: one
// unpacks it, the others wait for it.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	reference, store := wide(t, filepath.Join(dir, "layout"), 500), filepath.Join(dir, "store")
	var worked atomic.Int32
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			var once sync.Once
			_, err := Pull(t.Context(), reference, Options{Store: store, Progress: func(p Progress) {
				if p.Stage == Fetching || p.Stage == Unpacking {
					once.Do(func() { worked.Add(1) })
				}
			}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	children := []*exec.Cmd{childCommand(reference, store), childCommand(reference, store), childCommand(reference, store)}
	for _, c := range children {
		must(t, c.Start())
	}
	all.Wait()
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	if n := worked.Load(); n > 1 {
		t.Errorf("%d of 10 unpacked the image, want one", n)
	}
	assertTidy(t, store)
}

// TestKilled kills the unpacking at moments that are spread over its whole
// time, and runs it again.
func TestKilled(t *testing.T) {
	dir := inMemory(t)
	reference := wide(t, filepath.Join(dir, "layout"), 1500)
	start := time.Now()
	must(t, childCommand(reference, filepath.Join(dir, "whole")).Run())
	whole := time.Since(start)
	want := treeOf(t, reference, filepath.Join(dir, "whole"))
	const moments = 6
	interrupted := 0
	for i := range moments {
		store := filepath.Join(dir, "store"+strconv.Itoa(i))
		cmd := childCommand(reference, store)
		must(t, cmd.Start())
		time.Sleep(whole * time.Duration(i+1) / (moments + 1))
		must(t, cmd.Process.Signal(syscall.SIGKILL))
		if cmd.Wait() != nil {
			interrupted++
		}
		if trees, _ := os.ReadDir(filepath.Join(store, "images")); len(trees) > 0 {
			if got := treeOf(t, reference, store); len(got) != len(want) {
				t.Errorf("killed at moment %d: %d of %d files are in the store", i, len(got), len(want))
			}
		}
		if _, err := Pull(t.Context(), reference, Options{Store: store}); err != nil {
			t.Fatalf("killed at moment %d: it does not work any more: %v", i, err)
		}
		assertTidy(t, store)
		got := treeOf(t, reference, store)
		for path, line := range want {
			if got[path] != line {
				t.Fatalf("killed at moment %d: %s is %q, want %q", i, path, got[path], line)
			}
		}
	}
	if interrupted == 0 {
		t.Error("nothing was killed while it worked: nothing was checked")
	}
}

// inMemory is a temporary directory on a tmpfs where there is one: writing to
// a slow disk would be most of the time, and most moments would fall into it.
func inMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pull-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// treeOf looks at the only image of a store.
func treeOf(t testing.TB, reference, store string) map[string]string {
	t.Helper()
	s, err := image.OpenStore(store)
	must(t, err)
	entries, err := s.Entries()
	if err != nil || len(entries) != 1 {
		t.Fatalf("%s has %d images (%v), want one of %s", store, len(entries), err, reference)
	}
	return snapshot(t, s.Trees(entries[0]))
}

// TestInUse checks that a tree is locked while it is open, that those who use
// it do not keep others from opening it, and that it is let go.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	reference, store := wide(t, filepath.Join(dir, "layout"), 5), filepath.Join(dir, "store")
	record, err := Pull(t.Context(), reference, Options{Store: store})
	must(t, err)
	one, two := openImage(t, reference, store), openImage(t, reference, store)
	lock, err := os.Open(filepath.Join(store, "locks", strings.Replace(record.Digest, ":", "-", 1)))
	must(t, err)
	defer lock.Close()
	busy := func() bool { return unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil }
	must(t, os.RemoveAll(filepath.Join(store, "refs")))
	if _, err := Pull(t.Context(), reference, Options{Store: store}); err != nil {
		t.Errorf("unpacked again while in use: %v", err)
	}
	for _, img := range []*image.Image{one, two} {
		if !busy() {
			t.Error("the tree could be removed while it is open")
		}
		must(t, img.Close())
		must(t, img.Close()) // twice is harmless
	}
	if busy() {
		t.Error("the tree is locked though nobody has it open")
	}
}

// TestRemoved checks that a tree which was removed is unpacked again.
func TestRemoved(t *testing.T) {
	dir := t.TempDir()
	reference, store := wide(t, filepath.Join(dir, "layout"), 5), filepath.Join(dir, "store")
	record, err := Pull(t.Context(), reference, Options{Store: store})
	must(t, err)
	must(t, os.RemoveAll(trees(t, store, record)[0]))
	if _, err := image.Open(t.Context(), reference, image.Options{Store: store, Program: "/bin/false"}); err == nil {
		t.Error("a tree that is not there was opened")
	}
	_, err = Pull(t.Context(), reference, Options{Store: store})
	must(t, err)
	openImage(t, reference, store)
}

// TestSweep checks that what a killed process left is removed, however hard its
// directories are to enter, and what others work in is not.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	store, err := image.CreateStore(filepath.Join(dir, "store"))
	must(t, err)
	abandoned := filepath.Join(store.Tmp(), "pull-abandoned")
	must(t, os.MkdirAll(filepath.Join(abandoned, "image/rootfs/locked/deep"), 0o755))
	must(t, os.Chmod(filepath.Join(abandoned, "image/rootfs/locked"), 0))
	must(t, os.Symlink(dir, filepath.Join(abandoned, "out")))
	busy, err := newWorkspace(t.Context(), store)
	must(t, err)
	_, err = Pull(t.Context(), wide(t, filepath.Join(dir, "layout"), 5), Options{Store: store.Path()})
	must(t, err)
	left, err := os.ReadDir(store.Tmp())
	must(t, err)
	if len(left) != 1 || left[0].Name() != filepath.Base(busy.dir) {
		t.Errorf("left are %v, want what is in use: %s", left, busy.dir)
	}
	busy.remove()
	assertTidy(t, store.Path())
	if _, err := os.Stat(filepath.Join(dir, "layout")); err != nil {
		t.Errorf("it followed a link: %v", err)
	}
}

// TestFull unpacks into a store on a disk that is too small.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	must(t, os.Mkdir(store, 0o700))
	must(t, unix.Mount("tmpfs", store, "tmpfs", 0, "size=256k,mode=0700"))
	defer func() { must(t, unix.Unmount(store, unix.MNT_DETACH)) }()
	_, err := Pull(t.Context(), wide(t, filepath.Join(dir, "layout"), 500), Options{Store: store})
	assertMendable(t, err, true, "no space left")
	assertTidy(t, store)
}
