package volume

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Used is what a volume takes on the disk.
type Used struct {
	Bytes int64
	// AtLeast: not all of it was looked at, and it takes more.
	AtLeast bool
}

// The bounds of what is counted: a container makes as many files, and as deep,
// as it likes.
const (
	mostCounted      = 1_000_000
	mostCountedDepth = 256
)

// Usage gives what a volume takes on the disk.
func (s *Store) Usage(v Volume) (Used, error) {
	fd, err := unix.Open(s.DataPath(v.Name), countFlags, 0)
	if err != nil {
		return Used{}, &os.PathError{Op: "open", Path: s.DataPath(v.Name), Err: err}
	}
	data := os.NewFile(uintptr(fd), dataDir)
	if v.Size > 0 {
		if has, err := readLimit(data, v.Project); err == nil {
			return Used{Bytes: int64(has.blocks) * basicBlock}, data.Close()
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Used{}, errors.Join(os.NewSyscallError("fstat", err), data.Close())
	}
	c := counter{left: mostCounted, counted: map[file]bool{}}
	c.used.Bytes = st.Blocks * 512
	c.dir(data, 1)
	return c.used, nil
}

// countFlags open a directory and follow no link, whatever a container puts
// there meanwhile.
const countFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

type file struct{ dev, ino uint64 }

type counter struct {
	used    Used
	left    int           // how many entries more are looked at
	counted map[file]bool // those with several names
}

// dir counts what is in a directory, which it closes. It goes down by
// descriptors: a path as deep as this may be would be of megabytes.
func (c *counter) dir(dir *os.File, depth int) {
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(64) // held once for each level
		for _, name := range names {
			if c.left == 0 {
				c.used.AtLeast = true
				return
			}
			c.left--
			c.entry(dir, name, depth)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !gone(err) {
				c.used.AtLeast = true
			}
			return
		}
	}
}

func (c *counter) entry(dir *os.File, name string, depth int) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		c.used.AtLeast = c.used.AtLeast || !gone(err)
		return
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if st.Nlink > 1 && !isDir {
		this := file{st.Dev, st.Ino}
		if c.counted[this] {
			return
		}
		c.counted[this] = true
	}
	c.used.Bytes += st.Blocks * 512
	if !isDir {
		return
	}
	if depth >= mostCountedDepth {
		c.used.AtLeast = true
		return
	}
	fd, err := unix.Openat(int(dir.Fd()), name, countFlags, 0)
	if err != nil {
		c.used.AtLeast = c.used.AtLeast || !gone(err)
		return
	}
	c.dir(os.NewFile(uintptr(fd), name), depth+1)
}

// gone says that somebody has removed or replaced a file meanwhile.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
