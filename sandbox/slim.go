package sandbox

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Slim gives back the memory that starting a sandbox took and waiting for it
// does not: what is free of the heap, and the pages of the program itself, which
// the kernel reads again from its file where they are used.
func Slim() {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer smaps.Close()
	var drop [][2]uintptr
	var m mapping
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		if m.read(lines.Text()) {
			drop = append(drop, [2]uintptr{m.from, m.to - m.from})
		}
	}
	debug.FreeOSMemory()
	for _, d := range drop {
		_, _, _ = syscall.Syscall(unix.SYS_MADVISE, d[0], d[1], unix.MADV_DONTNEED)
	}
}

// mapping is what proc_pid_smaps(5) says of a part of the memory.
type mapping struct {
	from, to uintptr
	ofFile   bool // only to read, and of a file
}

// read takes a line in, and says whether the mapping has no page but its
// file's. One that was written to before it was closed to writing, as the
// linker does (RELRO), would lose what was written.
func (m *mapping) read(line string) bool {
	var offset uintptr
	var mode, device string
	var inode uint64
	next := mapping{}
	if n, _ := fmt.Sscanf(line, "%x-%x %s %x %s %d", &next.from, &next.to, &mode, &offset, &device, &inode); n == 6 {
		next.ofFile = inode != 0 && strings.HasPrefix(mode, "r") && !strings.Contains(mode, "w")
		*m = next
		return false
	}
	if key, value, _ := strings.Cut(line, ":"); key == "Anonymous" {
		return m.ofFile && strings.TrimSpace(value) == "0 kB"
	}
	return false
}
