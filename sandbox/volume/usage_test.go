package volume

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// nest makes directories within each other, as deep as no path can say, and
// removes them when the test ends.
func nest(t *testing.T, top string, depth int) {
	t.Helper()
	const name = "as-long-a-name-as-fits-in-it-and-is-still-quick-to-make"
	at, err := unix.Open(top, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range depth {
		if err := unix.Mkdirat(at, name, 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(at, name, unix.O_PATH|unix.O_CLOEXEC, 0)
		unix.Close(at)
		if at = next; err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // from below: whoever goes down from above has them all open
		defer func() { unix.Close(at) }()
		for range depth {
			up, err := unix.Openat(at, "..", unix.O_PATH|unix.O_CLOEXEC, 0)
			unix.Close(at)
			if at = up; err != nil {
				t.Fatal(err)
			}
			if err := unix.Unlinkat(at, name, unix.AT_REMOVEDIR); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestUsageIsBounded: what a container nests takes no memory of the host's to
// count, and the number says that it is too small.
func TestUsageIsBounded(t *testing.T) {
	s := open(t)
	v := create(t, s, Options{Name: "data"})
	nest(t, s.DataPath("data"), 3000)
	if err := os.WriteFile(filepath.Join(s.DataPath("data"), "file"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	used, err := s.Usage(v)
	runtime.ReadMemStats(&after)
	if err != nil || !used.AtLeast || used.Bytes < 1<<20 {
		t.Errorf("%+v, %v; want at least 1 MiB, and that it is not all", used, err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
		t.Errorf("counting took %d bytes", took)
	}
}

// TestUsage: what is not deep is counted whole, and once, and no further than
// so many entries.
func TestUsage(t *testing.T) {
	s := open(t)
	v := create(t, s, Options{Name: "data"})
	data := s.DataPath("data")
	nest(t, data, mostCountedDepth-1)
	if err := os.WriteFile(filepath.Join(data, "file"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		if err := os.Link(filepath.Join(data, "file"), filepath.Join(data, strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/", filepath.Join(data, "link")); err != nil {
		t.Fatal(err)
	}
	used, err := s.Usage(v)
	if err != nil || used.AtLeast || used.Bytes < 1<<20 || used.Bytes > 4<<20 {
		t.Errorf("%+v, %v", used, err)
	}
	dir, err := os.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	c := counter{left: 5, counted: map[file]bool{}}
	if c.dir(dir, 1); !c.used.AtLeast || c.left != 0 {
		t.Errorf("of so many entries: %+v, %d left", c.used, c.left)
	}
}
