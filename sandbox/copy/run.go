package copy

import (
	"context"
	"io"

	"github.com/safe-run/safe-run/spec/problem"
)

// End is one end of a copy.
type End struct {
	Tree *Tree
	Path string
	// Stream, when it is not nil, is frames in place of the tree's files; see
	// Writer. Of a source it is an io.Reader, of a destination an io.Writer.
	Stream any
}

// Job is one copy.
type Job struct {
	From, To End
	// Archive keeps owners by number, and inside setuid and setgid bits.
	Archive bool
	// Follow copies what the source's link points to, and not the link.
	Follow bool
	// Progress is told how many bytes more were written.
	Progress func(bytes int64)
	// LeftOut is told of each file that cannot be copied.
	LeftOut func(what string)
}

// Run copies. When ctx ends it stops at once; then, or on an error, the file
// that was being written is gone, and what came before it stays.
func (j Job) Run(ctx context.Context) error {
	return onThread(func(as *user) error {
		if from, ok := j.From.Stream.(io.Reader); ok {
			return j.unpack(ctx, as, from)
		}
		src, err := j.From.Tree.source(j.From.Path, j.Follow)
		if err != nil {
			return err
		}
		defer src.close()
		walk := walker{tree: j.From.Tree, exact: j.Archive}
		if to, ok := j.To.Stream.(io.Writer); ok {
			return j.pack(ctx, walk, src, to)
		}
		return j.between(ctx, walk, src, as)
	})
}

// between copies files to files.
func (j Job) between(ctx context.Context, walk walker, src *source, as *user) error {
	to, err := j.To.Tree.dest(j.To.Path, j.From.Tree.Root != nil)
	if err != nil {
		return err
	}
	defer to.dir.Close()
	name, err := place(src.words, isDir(src.st), to.words, to.found)
	if err != nil {
		return err
	}
	into, err := stat(to.dir)
	if err != nil {
		return err
	}
	walk.into = &into
	w := j.writer(to, as)
	defer w.forget()
	walk.emit = func(e Entry, content io.Reader) error { return w.put(ctx, e, content) }
	if err := walk.walk(ctx, src, name); err != nil {
		return err
	}
	return w.finish()
}

func (j Job) writer(to *dest, as *user) *writer {
	return &writer{tree: j.To.Tree, root: to.dir, where: to.where(), keep: j.Archive, progress: j.Progress, leave: j.LeftOut, as: as}
}

// unpack makes the files of a stream.
func (j Job) unpack(ctx context.Context, as *user, from io.Reader) error {
	to, err := j.To.Tree.dest(j.To.Path, true)
	if err != nil {
		return err
	}
	defer to.dir.Close()
	if !to.found.dir {
		return problem.New("an archive is unpacked into a directory that is there", "%s is not a directory", shown(j.To.Path))
	}
	w := j.writer(to, as)
	defer w.forget()
	if err := ReadFrames(from, func(e Entry, content io.Reader) error { return w.put(ctx, e, content) }); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return err
	}
	return w.finish()
}

// pack writes files to a stream.
func (j Job) pack(ctx context.Context, walk walker, src *source, to io.Writer) error {
	name := src.base
	if src.content {
		name = "."
	}
	frames := NewWriter(to)
	walk.emit = func(e Entry, content io.Reader) error {
		if e.Kind == Socket {
			j.LeftOut(shown(e.Name) + " is a socket and was left out")
			return nil
		}
		if content != nil {
			content = &counted{r: j.whole(e, content), ctx: ctx, told: j.Progress}
		}
		return frames.Put(e, content)
	}
	err := walk.walk(ctx, src, name)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		_ = frames.Fail(err) // where nobody reads any more, that is why it failed
		return err
	}
	return frames.Close()
}

// counted tells of what is read, and stops when ctx ends.
type counted struct {
	r    io.Reader
	ctx  context.Context
	told func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.told(int64(n))
	return n, err
}
