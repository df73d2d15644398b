package source

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// archive is a tar file whose members can be read in any order: it is read
// through once, and where each member lies is remembered.
type archive struct {
	f       *os.File
	members map[string]member
	names   int // bytes of the members' names, which are held in memory
}

// member is a regular file of an archive, or a link to another.
type member struct {
	offset, size int64
	link         string // the name it links to; empty for a file
}

// openArchive opens the tar file at path, which may be compressed.
func openArchive(ctx context.Context, path string, o Options) (*archive, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	plain, err := expanded(ctx, f, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	a := &archive{f: plain, members: map[string]member{}}
	if err := a.scan(ctx); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// expanded gives f itself, or a scratch file with its content
// decompressed, in which case f is closed.
func expanded(ctx context.Context, f *os.File, o Options) (*os.File, error) {
	start := make([]byte, 4)
	n, err := f.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if compressionOf(start[:n]) == plainTar {
		return f, nil
	}
	r, err := Decompress(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out, err := o.Scratch("archive")
	if err != nil {
		return nil, err
	}
	written, err := io.Copy(out, io.LimitReader(interruptible{ctx, r}, o.Limits.Bytes+1))
	if err == nil && written > o.Limits.Bytes {
		err = bounds.Over("--max-bytes", "more than %s in its archive", bounds.Size(o.Limits.Bytes))
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	return out, f.Close()
}

// scan finds the members. Only the metadata's names must be unique: blobs are
// checked against their digests, whichever of two is read.
func (a *archive) scan(ctx context.Context) error {
	if _, err := a.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := tar.NewReader(a.f) // seeks over the contents
	for n := 0; ; n++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return problem.New(rewrite, "it is not a tar archive, or a damaged one: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if n == bounds.ArchiveEntries {
			return problem.New(rewrite, "its archive has more than %d files", bounds.ArchiveEntries)
		}
		if err := a.add(h); err != nil {
			return err
		}
	}
}

func (a *archive) add(h *tar.Header) error {
	name := memberName(h.Name)
	m := member{size: h.Size}
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeSymlink:
		m.link = memberName(path.Join(path.Dir(name), h.Linkname))
	case tar.TypeLink:
		m.link = memberName(h.Linkname)
	default:
		return nil
	}
	if _, twice := a.members[name]; twice {
		if name == "index.json" || name == "manifest.json" || name == "oci-layout" {
			return problem.New(rewrite, "its archive has two files called %s", name)
		}
		return nil
	}
	if a.names += len(name) + len(m.link); a.names > bounds.ArchiveNames {
		return problem.New(rewrite, "its archive has more than %s of file names", bounds.Size(bounds.ArchiveNames))
	}
	if isSparse(h) {
		return problem.New(rewrite, "its archive stores %q as a sparse file", name)
	}
	var err error
	m.offset, err = a.f.Seek(0, io.SeekCurrent) // tar.Reader reads whole blocks, never ahead
	a.members[name] = m
	return err
}

// isSparse matches a file whose bytes are not stored as they are.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if len(key) > 10 && key[:10] == "GNU.sparse" {
			return true
		}
	}
	return false
}

// memberName is a name without a leading slash, dots or doubled slashes.
func memberName(name string) string { return path.Clean("/" + name)[1:] }

// rewrite is the hint for an archive that no image would be saved as.
const rewrite = "write it again, with `docker save` or `skopeo copy`"

// maxLinks bounds links that point to links: docker save used to write two.
const maxLinks = 8

func (a *archive) find(name string) (member, error) {
	name = memberName(name)
	for range maxLinks {
		m, ok := a.members[name]
		if !ok {
			return member{}, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		if m.link == "" {
			return m, nil
		}
		name = m.link
	}
	return member{}, fmt.Errorf("%s: too many links", name)
}

func (a *archive) has(name string) bool {
	_, err := a.find(name)
	return err == nil
}

func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	m, err := a.find(name)
	if err != nil {
		return nil, 0, err
	}
	return section{io.NewSectionReader(a.f, m.offset, m.size)}, m.size, nil
}

// section is a member of an archive: closing it leaves the archive open.
type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

func (a *archive) close() error { return a.f.Close() }

// interruptible is a reader that fails when ctx is done.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
