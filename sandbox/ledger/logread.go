package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// LogLine is one entry of a log.
type LogLine struct {
	Text   string    `json:"log"` // with its end, unless the line is longer than an entry
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
}

// LogQuery says what is read of a log.
type LogQuery struct {
	// Since and Until bound the times; zero is no bound.
	Since, Until time.Time
	// Tail is how many of the last entries are wanted; negative: all.
	Tail int
	// Follow goes on with what is written from now on, as long as it says so.
	// It is asked again after each look; nil does not follow.
	Follow func() bool
}

// The longest line of a log file: each byte of an entry may be six of JSON.
const maxLogEntry = 6*maxLogLine + 256

// maxGarbage is how much of a file without an end of a line is read before the
// rest of it is given up.
const maxGarbage = 16 << 20

// followPause is the time between two looks at a log that is followed.
const followPause = 50 * time.Millisecond

// ReadLog calls emit for each entry that is asked for, the oldest first, until
// it fails. Files that are rotated away meanwhile are read to their end.
func ReadLog(dir string, q LogQuery, emit func(LogLine) error) error {
	files, err := openLogs(dir)
	if err != nil {
		return err
	}
	defer func() { closeAll(files) }()
	if q.Tail >= 0 {
		if files, err = seekTail(files, q.Tail); err != nil {
			return err
		}
	}
	for i, f := range files {
		if i < len(files)-1 {
			if err := q.read(f, emit); err != nil {
				return err
			}
		}
	}
	if len(files) == 0 {
		if q.Follow == nil {
			return nil
		}
		return q.follow(dir, nil, emit)
	}
	last := files[len(files)-1]
	files = files[:len(files)-1]
	defer func() { last.Close() }()
	if q.Follow == nil {
		return q.read(last, emit)
	}
	return q.follow(dir, last, emit)
}

// read emits the rest of one file, to its last whole line.
func (q LogQuery) read(f *os.File, emit func(LogLine) error) error {
	lines := bufio.NewReaderSize(f, maxLogEntry)
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	for {
		data, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			// Nothing that safe-run wrote.
			begun := at
			at += int64(len(data))
			for errors.Is(err, bufio.ErrBufferFull) {
				data, err = lines.ReadSlice('\n')
				if at += int64(len(data)); at-begun > maxGarbage {
					_, err := f.Seek(0, io.SeekEnd)
					return err
				}
			}
			continue
		}
		if err != nil {
			_, serr := f.Seek(at, io.SeekStart)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, serr)
		}
		at += int64(len(data))
		if err := q.one(data, emit); err != nil {
			return err
		}
	}
}

// one emits a line when it is one of the log's, and asked for. A line that is too
// late does not end the reading: the clock may have been set back after it.
func (q LogQuery) one(data []byte, emit func(LogLine) error) error {
	line, ok := parseLogLine(data)
	if !ok || line.Time.Before(q.Since) || !q.Until.IsZero() && line.Time.After(q.Until) {
		return nil
	}
	return emit(line)
}

// parseLogLine reads one line of a log file.
func parseLogLine(data []byte) (LogLine, bool) {
	var line LogLine
	if json.Unmarshal(data, &line) != nil || line.Time.IsZero() {
		return LogLine{}, false
	}
	if line.Stream != Stdout && line.Stream != Stderr {
		return LogLine{}, false
	}
	return line, true
}

// follow emits what is written from now on. f is the file that was written to,
// or nil when there was none.
func (q LogQuery) follow(dir string, f *os.File, emit func(LogLine) error) error {
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	for {
		goOn := q.Follow() && (q.Until.IsZero() || time.Now().Before(q.Until))
		for {
			if f != nil {
				if err := q.read(f, emit); err != nil {
					return err
				}
			}
			next, err := after(dir, f)
			if err != nil {
				return err
			}
			if next == nil {
				break
			}
			if f != nil {
				// What came between the last look and the rotation.
				if err := q.read(f, emit); err != nil {
					next.Close()
					return err
				}
				f.Close()
			}
			f = next
		}
		if !goOn {
			return nil
		}
		time.Sleep(followPause)
	}
}
