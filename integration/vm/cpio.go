package main

import (
	"fmt"
	"io"
)

// archive writes a cpio archive in the format that the kernel unpacks its
// first root from ("newc", Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	out   io.Writer
	inode int
	err   error
}

// Modes of the entries (inode(7)).
const (
	modeFile = 0o100755
	modeDir  = 0o040755
)

// entry writes one file or directory, owned by root. Directories come before
// what is in them.
func (a *archive) entry(name string, mode int, data []byte) {
	a.inode++
	links := 1
	if mode == modeDir {
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
func (a *archive) padded(data []byte) {
	for _, part := range [][]byte{data, make([]byte, (4-len(data)%4)%4)} {
		if a.err == nil {
			_, a.err = a.out.Write(part)
		}
	}
}

// close writes the mark of the end.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, nil)
	return a.err
}
