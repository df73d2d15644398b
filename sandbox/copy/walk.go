package copy

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// walker reads a tree of files, depth first.
type walker struct {
	tree *Tree
	// exact makes an owner that has no number inside an error; else it is
	// what the container sees.
	exact bool
	emit  Emit
	// linked are files with more than one name, by device and inode. Of those
	// that are too many each name becomes a file of its own.
	linked map[[2]uint64]string
	names  names
	// into is the directory that the copy goes to, which may lie in the source
	// where both sides see the same directory of the host.
	into *unix.Stat_t
}

// walk emits a source under a name; "." leaves the directory itself out.
func (w *walker) walk(ctx context.Context, src *source, name string) error {
	w.linked = map[[2]uint64]string{}
	if ofKernel(src.file) {
		return problem.New("read it inside: safe-run exec NAME cat FILE", "%s is made by the kernel as it is read, and is not copied", shown(src.typed))
	}
	return w.item(ctx, src.file, src.st, name)
}

// kernels are filesystems whose files are made as they are read: their sizes
// are not known, and a read may block or act.
var kernels = []int64{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEBUGFS_MAGIC,
	unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.BINFMTFS_MAGIC,
	unix.SELINUX_MAGIC, unix.NSFS_MAGIC, unix.EFIVARFS_MAGIC, unix.PSTOREFS_MAGIC,
	0x62656570, // configfs
	0x19800202, // mqueue
}

func ofKernel(f *os.File) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &fs) == nil && slices.Contains(kernels, int64(fs.Type))
}

// item emits what f names, and all below it.
func (w *walker) item(ctx context.Context, f *os.File, st unix.Stat_t, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e, err := w.entry(f, st, name)
	if err != nil {
		return err
	}
	if e.Kind == Dir {
		if w.into != nil && w.into.Dev == st.Dev && w.into.Ino == st.Ino {
			return problem.New("name a destination outside of what is copied", "%s is where the copy goes: it would be copied into itself", shown(name))
		}
		if err := w.emit(e, nil); err != nil {
			return err
		}
		return w.below(ctx, f, st, name)
	}
	if st.Nlink > 1 && (e.Kind == File || e.Kind == Symlink) {
		key := [2]uint64{uint64(st.Dev), st.Ino}
		if before, ok := w.linked[key]; ok {
			e.Kind, e.Target, e.Size = Hard, before, 0
			return w.emit(e, nil)
		}
		if w.names.take(name) {
			w.linked[key] = name
		}
	}
	if e.Kind != File {
		return w.emit(e, nil)
	}
	content, err := again(f, unix.O_RDONLY)
	if err != nil {
		return failed("read", name, err)
	}
	defer content.Close()
	return w.emit(e, content)
}

var kindOf = map[uint32]Kind{
	unix.S_IFREG: File, unix.S_IFDIR: Dir, unix.S_IFLNK: Symlink, unix.S_IFIFO: FIFO,
	unix.S_IFCHR: Char, unix.S_IFBLK: Block, unix.S_IFSOCK: Socket,
}

func (w *walker) entry(f *os.File, st unix.Stat_t, name string) (Entry, error) {
	e := Entry{
		Name: name, Kind: kindOf[st.Mode&unix.S_IFMT], Mode: st.Mode & 0o7777,
		Sec: int64(st.Mtim.Sec), Nsec: int64(st.Mtim.Nsec),
	}
	var userKnown, groupKnown bool
	e.UID, userKnown = inside(w.tree.IDs.Users, st.Uid)
	e.GID, groupKnown = inside(w.tree.IDs.Groups, st.Gid)
	if !userKnown || !groupKnown {
		if w.exact {
			return e, problem.New("leave out -a, and own the copies yourself",
				"%s belongs to %d:%d of the host, which has no number in the container", shown(name), st.Uid, st.Gid)
		}
		e.UID, e.GID = known(e.UID, userKnown), known(e.GID, groupKnown)
	}
	var err error
	switch e.Kind {
	case File:
		e.Size = st.Size
	case Symlink:
		e.Target, err = readlink(f)
	case Char, Block:
		e.Major, e.Minor = unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))
	}
	if err != nil {
		return e, failed("read", name, err)
	}
	return e, checkName(name)
}

func known(id uint32, ok bool) uint32 {
	if !ok {
		return overflow
	}
	return id
}

// batch is how many names are read at a time: a directory may have no end.
const batch = 4096

func (w *walker) below(ctx context.Context, f *os.File, st unix.Stat_t, name string) error {
	dir, err := openAt(f, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return failed("read", name, err)
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(batch)
		slices.Sort(names)
		for _, child := range names {
			if err := w.child(ctx, dir, st, [2]string{name, child}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return failed("read", name, err)
		}
	}
}

// child emits one name of a directory; path is the directory's and its own.
func (w *walker) child(ctx context.Context, dir *os.File, parent unix.Stat_t, path [2]string) error {
	name := path[1]
	if path[0] != "." {
		name = path[0] + "/" + path[1]
	}
	f, err := openAt(dir, path[1], unix.O_PATH)
	if errors.Is(err, unix.ENOENT) {
		return nil // it has been removed meanwhile
	}
	if err != nil {
		return failed("read", name, err)
	}
	defer f.Close()
	st, err := stat(f)
	if err != nil {
		return failed("read", name, err)
	}
	if st.Dev != parent.Dev && ofKernel(f) {
		if !isDir(st) {
			return nil
		}
		// Of /proc and the like only the mount point is there.
		e, err := w.entry(f, st, name)
		if err != nil {
			return err
		}
		return w.emit(e, nil)
	}
	return w.item(ctx, f, st, name)
}
