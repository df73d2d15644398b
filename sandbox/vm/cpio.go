package vm

import (
	"fmt"
	"io"
)

// Archive writes a cpio archive in the format that the kernel unpacks its
// first root from ("newc", Documentation/driver-api/early-userspace/buffer-format.rst).
type Archive struct {
	Out   io.Writer
	inode int
	err   error
}

// Modes of the entries (inode(7)).
const (
	ModeFile = 0o100755
	ModeDir  = 0o040755
)

// Entry writes one file or directory, owned by root. Directories come before
// what is in them.
func (a *Archive) Entry(name string, mode int, data []byte) {
	a.inode++
	links := 1
	if mode == ModeDir {
		links = 2
	}
	// Magic, inode, mode, uid, gid, links, time, size, device (major, minor),
	// the device it is (major, minor), length of the name with its NUL, checksum.
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.padded([]byte(header + name + "\x00"))
	a.padded(data)
}

// padded writes data and zeros up to the next multiple of four. Header and name
// are padded together, and so is the data.
func (a *Archive) padded(data []byte) {
	for _, part := range [][]byte{data, make([]byte, (4-len(data)%4)%4)} {
		if a.err == nil {
			_, a.err = a.Out.Write(part)
		}
	}
}

// Close writes the mark of the end.
func (a *Archive) Close() error {
	a.Entry("TRAILER!!!", 0, nil)
	return a.err
}
