package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// keep writes the archive that an engine exports to a scratch file.
func keep(ctx context.Context, r io.Reader, o Options) (*os.File, error) {
	out, err := o.Scratch("export")
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(out, io.LimitReader(interruptible{ctx, r}, o.Limits.Bytes+1))
	if err == nil && n > o.Limits.Bytes {
		err = bounds.Over("--max-bytes", "more than %s in its archive", bounds.Size(o.Limits.Bytes))
	}
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// exported is the archive in f, which it takes over.
func exported(ctx context.Context, f *os.File) (*archive, error) {
	a := &archive{f: f, members: map[string]member{}}
	if err := a.scan(ctx); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// stampsOf takes the stamps of those of the files that are there. When none
// is, the engine keeps its names where they cannot be watched; the stamp is
// then one that holds as long as the archive f is open, so that the engine is
// asked again each time.
func stampsOf(files []string, f *os.File) ([]image.Stamp, error) {
	var stamps []image.Stamp
	for _, file := range files {
		if stamp, err := image.StampOf(file); err == nil {
			stamps = append(stamps, stamp)
		}
	}
	if len(stamps) > 0 || f == nil {
		return stamps, nil
	}
	stamp, err := image.StampOf(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()))
	return []image.Stamp{stamp}, err
}
