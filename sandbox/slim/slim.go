// Package slim gives back the memory of a process that stays beside containers
// and has nothing to do.
package slim

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// idleLimit is how much memory a process that has settled takes before what is
// free of it is looked for: nothing is looked for as long as nothing happens.
const idleLimit = 16 << 20

// Slim gives back the memory that starting a sandbox took and waiting for it
// does not: what is free of the heap, and the pages of the program itself, which
// the kernel reads again from its file where they are used. From here on the
// garbage collector does not wake the process up every two minutes; Rouse lets it.
func Slim() {
	hurried.Store(false)
	debug.SetMemoryLimit(idleLimit)
	debug.SetGCPercent(-1)
	drop := ofFile()
	debug.FreeOSMemory()
	for _, m := range drop {
		m.split()
	}
	for _, m := range drop {
		_, _, _ = syscall.RawSyscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// Rouse ends what Slim began, before a burst of work.
func Rouse() {
	hurried.Store(false)
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(math.MaxInt64)
}

// hurried is set between Hurry and what ends it.
var hurried atomic.Bool

// Hurry keeps the garbage collector out of a launch, which allocates five
// megabytes and is over: collecting costs it a tenth of its processor time, and
// stops it until all its threads have been seen, which takes long where others
// want the processors. Below 32 megabytes nothing is collected until Leisure.
//
// It is for the very beginning, because it stops the world as well.
func Hurry() {
	if hurried.CompareAndSwap(false, true) {
		debug.SetGCPercent(800)
	}
}

// leisureAfter is when a launch is over that goes on.
const leisureAfter = time.Second

// Leisure ends what Hurry began, in a while, if nothing else has by then.
func Leisure() { time.AfterFunc(leisureAfter, leisure) }

func leisure() {
	if hurried.CompareAndSwap(true, false) {
		debug.SetGCPercent(100)
	}
}

// ofFile gives the mappings that have no page but their file's.
func ofFile() (found []mapping) {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer smaps.Close()
	var m mapping
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		if m.read(lines.Text()) {
			found = append(found, m)
		}
	}
	return found
}

// mapping is what proc_pid_smaps(5) says of a part of the memory.
type mapping struct {
	from, to uintptr
	ofFile   bool // only to read, and of a file
}

// pieceSize is how much of the program one mapping has.
const pieceSize = 256 << 10

// split makes a mapping into small ones. From Linux 6.18 on a fault maps the whole
// folio of the page cache that it falls into, which may have two megabytes, unless
// that does not fit into the mapping. What tells the pieces apart, so that the
// kernel does not merge them, is whether a core dump has them, which it never has.
func (m mapping) split() {
	if m.to-m.from <= pieceSize {
		return
	}
	for at := m.from; at < m.to; at += 2 * pieceSize {
		_, _, _ = syscall.RawSyscall(unix.SYS_MADVISE, at, min(pieceSize, m.to-at), unix.MADV_DONTDUMP)
	}
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
