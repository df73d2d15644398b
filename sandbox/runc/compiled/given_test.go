//go:build cgo && seccomp

package compiled_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

// TestTakeHoldsSomething: an init that is given rules which hold nothing does not
// go on, as one that is given none would.
func TestTakeHoldsSomething(t *testing.T) {
	for _, rules := range []string{"{}", `{"limits":[]}`, "null", "{}="} {
		f, err := compiled.Sealed(compiled.Pack([]byte(rules), nil))
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Dup(int(f.Fd()))
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if compiled.Take(fd) == nil {
			t.Errorf("%s is taken for rules", rules)
		}
	}
}
