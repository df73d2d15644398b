package ledger

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/event"
)

// Events calls emit for what is written down and happened from since to until,
// in the order it was written, until emit fails. A zero time is no bound. With
// follow it goes on with what happens, until that time has come or ctx is done.
// Lines that are no events are passed over.
func (l *Ledger) Events(ctx context.Context, since, until time.Time, follow bool, emit func(event.Event) error) error {
	wanted := func(line []byte) error {
		e, err := event.Parse(line)
		if err != nil || e.Time.Before(since) || !until.IsZero() && e.Time.After(until) {
			return nil
		}
		return emit(e)
	}
	r := eventReader{log: l.events(), emit: wanted}
	defer r.close()
	if !follow {
		return r.next()
	}
	return r.follow(ctx, until)
}

// eventReader reads the files of events one after the other. As long as it is
// less than a file behind those who write, it misses nothing.
type eventReader struct {
	log  eventLog
	emit func(line []byte) error
	file *os.File // the one that was the newest at the last look
}

func (r *eventReader) close() {
	if r.file != nil {
		r.file.Close()
	}
}

// follow reads until the time has come or ctx is done.
func (r *eventReader) follow(ctx context.Context, until time.Time) error {
	for {
		over := ctx.Err() != nil || !until.IsZero() && !time.Now().Before(until)
		if err := r.next(); err != nil || over {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(followPause):
		}
	}
}

// next reads all that has been written since the last time.
func (r *eventReader) next() error {
	files, err := r.log.since(r.file)
	if err != nil {
		return err
	}
	for i, f := range files {
		if r.file != nil && r.file != f {
			r.file.Close()
		}
		r.file = f
		if err := wholeLines(f, event.MaxLine, r.emit); err != nil {
			closeAll(files[i+1:])
			return err
		}
	}
	return nil
}

// since gives the files that may have something new for one who has read last:
// last itself, and what was begun after it, the oldest first.
func (g eventLog) since(last *os.File) ([]*os.File, error) {
	dir, err := g.open()
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close() // and unlocks
	// Without the lock, too, a file is rather found twice than missed.
	lockWithin(dir, unix.LOCK_SH)
	var found []*os.File
	for _, name := range []string{logFile, logFile + ".1"} {
		f, err := openOld(dir, name)
		if err != nil {
			closeAll(found)
			return nil, err
		}
		switch {
		case f == nil:
		case sameFile(f, last):
			f.Close()
			return append([]*os.File{last}, found...), nil
		case len(found) > 0 && sameFile(f, found[0]):
			f.Close()
		default:
			found = append([]*os.File{f}, found...)
		}
	}
	if last != nil { // it has been rotated away; it still is open
		found = append([]*os.File{last}, found...)
	}
	return found, nil
}

// openOld opens a file of events to read; nil where there is none.
func openOld(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, err
	}
	return f, nil
}

func sameFile(a, b *os.File) bool {
	if a == nil || b == nil {
		return false
	}
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// wholeLines calls each for every line from where f is, and leaves f behind the
// last that has an end. Lines of more than most bytes are passed over.
func wholeLines(f *os.File, most int, each func([]byte) error) error {
	lines := bufio.NewReaderSize(f, most)
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	for part := 0; ; {
		line, err := lines.ReadSlice('\n')
		part += len(line)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			_, serr := f.Seek(at, io.SeekStart)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, serr)
		}
		at += int64(part)
		long := part > len(line)
		part = 0
		if long {
			continue
		}
		if err := each(line); err != nil {
			return err
		}
	}
}
