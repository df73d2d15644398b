package livediff

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// differs says whether a file was changed, and not only brought up, as by a
// program that opens it for writing and writes nothing. Size is not looked at
// in directories: each filesystem has its own idea of it.
func (f *finder) differs(old fs.FileInfo, now *unix.Stat_t) bool {
	before, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	uid, gid := f.Number(now.Uid, now.Gid)
	if before.Mode != now.Mode || before.Uid != uid || before.Gid != gid || before.Mtim.Sec != now.Mtim.Sec || before.Mtim.Nsec != now.Mtim.Nsec {
		return true
	}
	return !old.IsDir() && (before.Size != now.Size || before.Rdev != now.Rdev)
}
