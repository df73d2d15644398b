package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/event"
)

// eventsDir is where events are kept; its name is no id.
const eventsDir = "events"

// maxEvents bounds a file of events; there are two.
const maxEvents = 4 << 20

// Emit writes down what has happened, in this order and with nothing of others
// in between. It is for people and never fails what it tells of: on a full disk
// it is lost.
func (l *Ledger) Emit(events ...event.Event) {
	var lines []byte
	for _, e := range events {
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		lines = append(lines, e.Line()...)
	}
	if len(lines) > 0 {
		_ = l.events().append(lines)
	}
}

func (l *Ledger) events() eventLog {
	return eventLog{filepath.Join(l.dir, eventsDir), maxEvents}
}

// eventLog is a directory of two files, the older with ".1". Who writes has the
// directory locked (flock(2)), so that a file is rotated once and a line that
// somebody was killed in is ended by the next.
type eventLog struct {
	dir  string
	most int64 // bytes of a file
}

// append writes whole lines.
func (g eventLog) append(lines []byte) error {
	dir, err := g.open()
	if errors.Is(err, os.ErrNotExist) {
		if err = os.Mkdir(g.dir, 0o700); err == nil || errors.Is(err, os.ErrExist) {
			dir, err = g.open()
		}
	}
	if err != nil {
		return err
	}
	defer dir.Close() // and unlocks
	locked := lockWithin(dir, unix.LOCK_EX)
	f, size, err := openEvents(dir)
	if err == nil && locked && size > 0 && size+int64(len(lines)) > g.most {
		f.Close()
		if err := unix.Renameat(int(dir.Fd()), logFile, int(dir.Fd()), logFile+".1"); err != nil {
			return os.NewSyscallError("renameat", err)
		}
		f, size, err = openEvents(dir)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); size > 0 && err == nil && last[0] != '\n' {
		lines = append([]byte("\n"), lines...)
	}
	n, err := f.Write(lines)
	if err != nil && n > 0 && locked {
		err = errors.Join(err, f.Truncate(size))
	}
	return err
}

func (g eventLog) open() (*os.File, error) {
	return os.OpenFile(g.dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

// openEvents opens the file that is written to, and makes it when it is missing.
func openEvents(dir *os.File) (*os.File, int64, error) {
	const flags = unix.O_RDWR | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), logFile, flags, 0o600)
	if err != nil {
		return nil, 0, &os.PathError{Op: "open", Path: logFile, Err: err}
	}
	f := os.NewFile(uintptr(fd), logFile)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("the file of events is no file")
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// lockPatience bounds the wait for the others, who need some microseconds. One
// of them may have been stopped just then (SIGSTOP), and must not hold up the
// start of a container.
const lockPatience = time.Second

// lockWithin locks a directory, and says whether it has.
func lockWithin(dir *os.File, how int) bool {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(100 * time.Microsecond) {
		err := unix.Flock(int(dir.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR), time.Now().After(deadline):
			return false
		}
	}
}
