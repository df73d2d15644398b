package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The limits of a log that nothing is said about.
const (
	DefaultLogSize  = 10 << 20
	DefaultLogFiles = 3
	// maxLogFiles bounds what one can ask for.
	maxLogFiles = 1000
)

// orDefault fills in what is not said.
func (l LogLimit) orDefault() LogLimit {
	if l.Size <= 0 {
		l.Size = DefaultLogSize
	}
	if l.Files <= 0 || l.Files > maxLogFiles {
		l.Files = DefaultLogFiles
	}
	return l
}

// logFile is the file that is written to; older ones have ".1" and so on.
const logFile = "json.log"

func logPath(dir string, n int) string {
	if n == 0 {
		return filepath.Join(dir, logFile)
	}
	return filepath.Join(dir, logFile+"."+strconv.Itoa(n))
}

// The streams of a container.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// maxLogLine is how much of a line is one entry; what is longer is several, of
// which the last has the line's end. It is docker's.
const maxLogLine = 16 << 10

// Log is a container's log: docker's json-file, one object a line. It never
// fails and never waits for room: what cannot be written is lost, and the log
// says so where it is.
type Log struct {
	dir   string
	limit LogLimit

	mu   sync.Mutex
	file *os.File
	size int64
	lost int64
	why  error
}

// OpenLog opens a log to go on with it.
func OpenLog(dir string, limit LogLimit) (*Log, error) {
	l := &Log{dir: dir, limit: limit.orDefault()}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// A limit that was lowered holds for what is there already.
	for n := l.limit.Files; n <= maxLogFiles; n++ {
		if os.Remove(logPath(dir, n)) != nil {
			break
		}
	}
	return l, l.open()
}

func (l *Log) open() error {
	f, err := os.OpenFile(logPath(l.dir, 0), os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", f.Name())
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, l.size-1); l.size > 0 && err == nil && last[0] != '\n' {
		// Whoever wrote it was killed in the middle of a line.
		_, err = f.WriteString("\n")
		l.size++
		return err
	}
	return nil
}

// append writes entries, which are whole lines, in the next file when this one
// is full.
func (l *Log) append(entries []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(entries) > 0 {
		// One entry is always written, or nothing would be with a tiny limit.
		n := l.fitting(entries)
		if n == 0 {
			if err := l.rotate(); err != nil {
				l.lose(int64(len(entries)), err)
				return
			}
			n = max(l.fitting(entries), 1+bytes.IndexByte(entries, '\n'))
		}
		l.write(entries[:n])
		entries = entries[n:]
	}
}

// fitting is how many bytes of whole entries this file has room for.
func (l *Log) fitting(entries []byte) int {
	if l.file == nil {
		return 0
	}
	room := l.limit.Size - l.size
	if int64(len(entries)) <= room {
		return len(entries)
	}
	return 1 + bytes.LastIndexByte(entries[:max(room, 0)], '\n')
}

// rotate begins another file. The oldest goes.
func (l *Log) rotate() error {
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
	for n := l.limit.Files - 1; n > 0; n-- {
		if err := os.Rename(logPath(l.dir, n-1), logPath(l.dir, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if l.limit.Files == 1 {
		if err := os.Remove(logPath(l.dir, 0)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return l.open()
}

func (l *Log) write(entries []byte) {
	if l.lost > 0 {
		line := fmt.Sprintf("[safe-run: %d bytes of the log are lost here: %v]\n", l.lost, l.why)
		note := appendEntry(nil, []byte(line), Stderr, time.Now())
		n, err := l.file.Write(note)
		l.size += int64(n)
		if err != nil {
			_ = l.cut(n)
			l.lose(int64(len(entries)), err)
			return
		}
		l.lost = 0
	}
	n, err := l.file.Write(entries)
	l.size += int64(n)
	if err != nil {
		l.lose(int64(len(entries)), err)
		_ = l.cut(n)
	}
}

// cut takes back what was written in part.
func (l *Log) cut(n int) error {
	if n == 0 {
		return nil
	}
	l.size -= int64(n)
	return l.file.Truncate(l.size)
}

func (l *Log) lose(n int64, why error) { l.lost, l.why = l.lost+n, why }

// Close closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
