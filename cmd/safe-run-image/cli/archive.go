package cli

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/copy"
	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec/problem"
)

// archiveVerbs are for safe-run cp, which reads no archives itself.
func (a *app) archiveVerbs() []*cobra.Command {
	read := &cobra.Command{Use: image.ReadArchive, Hidden: true, Short: "turn an archive into frames, for safe-run cp", Args: images(0, 0)}
	read.RunE = func(*cobra.Command, []string) error { return readArchive(a.std.In, a.std.Out) }
	write := &cobra.Command{Use: image.WriteArchive, Hidden: true, Short: "turn frames into an archive, for safe-run cp", Args: images(0, 0)}
	write.RunE = func(*cobra.Command, []string) error { return writeArchive(a.std.In, a.std.Out) }
	return []*cobra.Command{read, write}
}

// readArchive turns a tar, which may be compressed, into frames. What is wrong
// with the tar ends the frames.
func readArchive(in io.Reader, out io.Writer) error {
	frames := copy.NewWriter(out)
	plain, err := source.Decompress(bufio.NewReaderSize(in, 64<<10))
	if err == nil {
		err = eachEntry(tar.NewReader(plain), frames)
	}
	if err != nil {
		return frames.Fail(problem.New(problem.HintOf(err), "the archive on standard input: %w", err))
	}
	if _, err := io.Copy(io.Discard, plain); err != nil { // whoever writes it need not see a closed pipe
		return frames.Fail(err)
	}
	return frames.Close()
}

func eachEntry(archive *tar.Reader, frames *copy.Writer) error {
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return problem.New("it is a tar, plain or compressed with gzip or zstd", "%w", err)
		}
		e, err := entryOf(h)
		if err != nil {
			return err
		}
		if e.Kind == "" {
			continue
		}
		if err := frames.Put(e, archive); err != nil {
			return err
		}
	}
}

var kinds = map[byte]copy.Kind{
	tar.TypeReg: copy.File, '\x00': copy.File, tar.TypeGNUSparse: copy.File, tar.TypeCont: copy.File, tar.TypeDir: copy.Dir,
	tar.TypeSymlink: copy.Symlink, tar.TypeLink: copy.Hard, tar.TypeFifo: copy.FIFO, tar.TypeChar: copy.Char, tar.TypeBlock: copy.Block,
}

// entryOf translates a header. Names are made relative as tar(1) does; what
// else is wrong with them is for who makes the files to refuse. An entry that
// is only about the archive has no kind.
func entryOf(h *tar.Header) (copy.Entry, error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return copy.Entry{}, nil
	}
	kind, known := kinds[h.Typeflag]
	if !known {
		return copy.Entry{}, problem.New("make the archive with another tool", "%.200q is of the unknown type %q", h.Name, h.Typeflag)
	}
	e := copy.Entry{
		Name: relative(h.Name), Kind: kind, Mode: uint32(h.Mode & 0o7777), UID: uint32(h.Uid), GID: uint32(h.Gid),
		Sec: h.ModTime.Unix(), Nsec: int64(h.ModTime.Nanosecond()), Target: h.Linkname,
	}
	if int64(e.UID) != int64(h.Uid) || int64(e.GID) != int64(h.Gid) {
		return e, problem.New("", "%.200q belongs to %d:%d, which are no ids", h.Name, h.Uid, h.Gid)
	}
	if kind == copy.File {
		e.Size = h.Size
	}
	if kind == copy.Hard {
		e.Target = relative(h.Linkname)
	}
	return e, nil
}

// relative takes the slashes before and after a name, and its needless parts. A
// ".." stays as it is written.
func relative(name string) string {
	name = strings.TrimLeft(name, "/")
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return name
		}
	}
	return path.Clean(name)
}

// writeArchive turns frames into a tar.
func writeArchive(in io.Reader, out io.Writer) error {
	buffered := bufio.NewWriterSize(out, 256<<10)
	archive := tar.NewWriter(buffered)
	err := copy.ReadFrames(in, func(e copy.Entry, content io.Reader) error {
		h, err := headerOf(e)
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(h); err != nil {
			return err
		}
		if content == nil {
			return nil
		}
		_, err = io.Copy(archive, content)
		return err
	})
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		return err
	}
	return buffered.Flush()
}

var types = map[copy.Kind]byte{
	copy.File: tar.TypeReg, copy.Dir: tar.TypeDir, copy.Symlink: tar.TypeSymlink, copy.Hard: tar.TypeLink,
	copy.FIFO: tar.TypeFifo, copy.Char: tar.TypeChar, copy.Block: tar.TypeBlock,
}

func headerOf(e copy.Entry) (*tar.Header, error) {
	kind, known := types[e.Kind]
	if !known {
		return nil, problem.New("", "%.200q is a %s, which no archive holds", e.Name, e.Kind)
	}
	h := &tar.Header{
		Typeflag: kind, Name: e.Name, Linkname: e.Target, Mode: int64(e.Mode), Uid: int(e.UID), Gid: int(e.GID), Size: e.Size,
		ModTime: time.Unix(e.Sec, e.Nsec), Devmajor: int64(e.Major), Devminor: int64(e.Minor),
	}
	if e.Kind == copy.Dir {
		h.Name += "/"
	}
	// Whole seconds fit the plain form, which every tool reads.
	h.ModTime = h.ModTime.Truncate(time.Second)
	return h, nil
}
