package containerd

import (
	"debug/elf"
	"os"
	"testing"
)

// maxShim bounds the program: it stays beside each pod, is executed four times
// for a container, and is copied where it cannot be sealed by an overlay.
const maxShim = 14 << 20

func TestSize(t *testing.T) {
	info, err := os.Stat(shimBin)
	must(t, err)
	if info.Size() > maxShim {
		t.Errorf("%d bytes, more than %d", info.Size(), maxShim)
	}
	file, err := elf.Open(shimBin)
	must(t, err)
	defer file.Close()
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP {
			t.Error("it is not static: it asks for a dynamic loader")
		}
	}
}
