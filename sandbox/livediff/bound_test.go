package livediff

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// long makes n files with paths of 4 KB, and gives the top.
func long(t *testing.T, n int) *os.File {
	t.Helper()
	top, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { top.Close() })
	at, err := openDir(top, ".")
	if err != nil {
		t.Fatal(err)
	}
	for range 15 {
		name := strings.Repeat("d", 255)
		if err := unix.Mkdirat(int(at.Fd()), name, 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := openDir(at, name)
		at.Close()
		if at = next; err != nil {
			t.Fatal(err)
		}
	}
	defer at.Close()
	for i := range n {
		if err := unix.Mknodat(int(at.Fd()), fmt.Sprintf("%0200d", i), unix.S_IFREG|0o600, 0); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

func number(uid, gid uint32) (uint32, uint32) { return uid, gid }

// TestNamesAreBounded: it is the bytes of the names that are bounded, because
// the host holds them.
func TestNamesAreBounded(t *testing.T) {
	layer := Layer{Upper: long(t, mostNames/4000), Number: number}
	changes, err := layer.Find(context.Background())
	if err == nil || !strings.Contains(err.Error(), "take more than 64 MiB") || problem.HintOf(err) == "" {
		t.Errorf("%d changes, %v", len(changes), err)
	}
}

// TestNamesAreHeldOnce: finding takes hardly more than what is found.
func TestNamesAreHeldOnce(t *testing.T) {
	layer := Layer{Upper: long(t, 4000), Number: number}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	changes, err := layer.Find(context.Background())
	runtime.ReadMemStats(&after)
	var names uint64
	for _, c := range changes {
		names += uint64(len(c.Path))
	}
	if err != nil || len(changes) != 4015 {
		t.Fatalf("%d changes, %v", len(changes), err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > names*3/2+4<<20 {
		t.Errorf("%d bytes of names took %d", names, took)
	}
}
