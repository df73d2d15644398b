package pack

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// maxID is the highest owner that a container can have.
const maxID = 65535

// walker writes a directory as a tar. It never leaves the directory, whatever
// the links in it say (os.Root).
type walker struct {
	root *os.Root
	out  *tar.Writer
	time time.Time
	// seen are the files with several names, by their inode: the first name
	// is written as a file, the others as hard links to it.
	seen map[inode]string
}

type inode struct{ dev, ino uint64 }

// Tar writes the directory at path in the order of names. Owners and
// permissions are kept; devices, sockets and extended attributes are not.
func Tar(ctx context.Context, w io.Writer, path string, t time.Time) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return problem.New("name a directory with --from", "pack %s: %w", path, err)
	}
	defer root.Close()
	p := &walker{root: root, out: tar.NewWriter(w), time: t, seen: map[inode]string{}}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return p.entry(name, info)
	})
	if err != nil {
		return problem.New(problem.HintOf(err), "pack %s: %w", path, err)
	}
	return p.out.Close()
}

// entry writes one file.
func (p *walker) entry(name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: no inode", name)
	}
	if st.Uid > maxID || st.Gid > maxID {
		return problem.New("chown it to an id that a container has", "%s belongs to %d:%d; a container has the ids 0 to %d", name, st.Uid, st.Gid, maxID)
	}
	h := &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: p.time, Format: tar.FormatPAX,
	}
	switch info.Mode().Type() {
	case 0:
		return p.file(h, info, st)
	case fs.ModeDir:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case fs.ModeSymlink:
		target, err := p.root.Readlink(name)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case fs.ModeNamedPipe:
		h.Typeflag = tar.TypeFifo
	default: // a container has devices of its own, and sockets have nobody behind them
		return nil
	}
	return p.out.WriteHeader(h)
}

// file writes a regular file, or a link to the name it was written under.
func (p *walker) file(h *tar.Header, info fs.FileInfo, st *syscall.Stat_t) error {
	id := inode{dev: uint64(st.Dev), ino: st.Ino}
	if first, again := p.seen[id]; again {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return p.out.WriteHeader(h)
	}
	if st.Nlink > 1 {
		p.seen[id] = h.Name
	}
	f, err := p.root.OpenFile(h.Name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(info, opened) {
		return problem.New("pack a directory that nothing writes to", "%s was changed while it was packed", h.Name)
	}
	h.Typeflag, h.Size = tar.TypeReg, opened.Size()
	if err := p.out.WriteHeader(h); err != nil {
		return err
	}
	if n, err := io.CopyN(p.out, f, h.Size); err != nil {
		return problem.New("pack a directory that nothing writes to", "%s was changed while it was packed: %d of %d bytes", h.Name, n, h.Size)
	}
	return nil
}
