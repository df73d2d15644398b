package guard

import (
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/safe-run/safe-run/spec"
)

// TestMarkOf: the bits are places in lists that may only grow.
func TestMarkOf(t *testing.T) {
	got, err := MarkOf(&spec.Guard{Deny: []string{spec.GuardUserfaultfd, spec.GuardTTY}, Families: []uint32{40, 0}, Netlink: []uint32{12}, Paths: []string{"/proc/acpi", "/proc/keys"}})
	if want := (Mark{Classes: 1<<0 | 1<<12, Families: 1<<40 | 1, Netlink: 1 << 12, Paths: 1<<0 | 1<<8}); got != want || err != nil {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, g := range []*spec.Guard{{Deny: []string{"later"}}, {Paths: []string{"/etc"}}, {Families: []uint32{64}}} {
		if _, err := MarkOf(g); err == nil {
			t.Errorf("%+v was understood", g)
		}
	}
	if len(spec.GuardClasses()) > 30 || len(spec.GuardPaths()) > 63 {
		t.Error("there are more classes or paths than a program has bits for")
	}
	if size := unsafe.Sizeof(key{}); size != 16 {
		t.Errorf("the key has %d bytes", size)
	}
	if size := unsafe.Sizeof(Mark{}); size != 32 {
		t.Errorf("the mark has %d bytes, for which the programs are not written", size)
	}
}

// TestNeverTheHost: a process that has no pid namespace of its own is not marked,
// and with it all others.
func TestNeverTheHost(t *testing.T) {
	if _, err := enter(os.Getpid(), &spec.Guard{}); err == nil || !strings.Contains(err.Error(), "of its own") {
		t.Errorf("got %v", err)
	}
	if held, err := Enter(os.Getpid(), nil); held != nil || err != nil {
		t.Errorf("without a guard: %v, %v", held, err)
	}
	var nobody *Held
	nobody.Leave()
}
