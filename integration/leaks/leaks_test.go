package leaks

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestDiff(t *testing.T) {
	before := State{"mount": {"/a": "ext4"}, "sysctl": {"ip_forward": "0"}, "network link": {"eth0": "veth"}, "process": {"7": "x"}}
	after := State{"mount": {"/a": "ext4", "/b": "tmpfs"}, "sysctl": {"ip_forward": "1"}, "network link": {}, "process": {}}
	want := []string{
		"mount left behind: /b tmpfs",
		"network link gone: eth0 veth",
		"sysctl changed: ip_forward is 1, was 0",
	}
	if got := before.diff(after); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := after.diff(after); got != nil {
		t.Errorf("the same state differs from itself: %q", got)
	}
}

// TestTakeSees proves of one kind that a real thing is seen; the others are
// proved by the tests that make such things, which need root.
func TestTakeSees(t *testing.T) {
	before := Take()
	path := filepath.Join(t.TempDir(), "held")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, line := range before.Left() {
		if line == "open file left behind: "+path+" 1" {
			return
		}
	}
	t.Errorf("a file that is held open was not found; found %q", before.Left())
}

func TestEveryKindCanBeRead(t *testing.T) {
	for kind, collect := range collectors {
		if _, err := collect(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestRealThings makes one thing of several kinds and looks for it.
func TestRealThings(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root: that left links, mounts, cgroups and nftables are found was not checked")
	}
	for kind, make := range realThings {
		t.Run(kind, func(t *testing.T) {
			before := Take()
			make(t)
			for _, line := range before.Left() {
				if len(line) > len(kind) && line[:len(kind)] == kind {
					return
				}
			}
			t.Errorf("what was made is not among %q", before.Left())
		})
	}
}
