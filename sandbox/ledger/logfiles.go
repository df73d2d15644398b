package ledger

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// after opens the file that follows f, when f has been rotated; the oldest that
// is left when f has been rotated away.
func after(dir string, f *os.File) (*os.File, error) {
	if f != nil && isNow(logPath(dir, 0), f) {
		return nil, nil
	}
	files, err := openLogs(dir)
	if err != nil {
		return nil, err
	}
	next := 0
	if f != nil {
		mine, err := f.Stat()
		if err != nil {
			closeAll(files)
			return nil, err
		}
		for i, file := range files {
			if info, err := file.Stat(); err == nil && os.SameFile(info, mine) {
				next = i + 1
			}
		}
	}
	var found *os.File
	for i, file := range files {
		if i == next {
			found = file
			continue
		}
		file.Close()
	}
	return found, nil
}

// isNow says whether f is the file at path.
func isNow(path string, f *os.File) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, mine)
}

// openLogs opens the files of a log, the oldest first. While it does, they may
// be rotated: each moves up by one, the oldest first, so that going up finds
// all of them, some twice, and a gap of one.
func openLogs(dir string) ([]*os.File, error) {
	var files []*os.File
	gap := 0
	for n := 0; n <= maxLogFiles && gap < 2; n++ {
		f, err := openLog(logPath(dir, n))
		switch {
		case errors.Is(err, os.ErrNotExist):
			gap++
			continue
		case err != nil:
			closeAll(files)
			return nil, err
		}
		gap = 0
		if f != nil {
			files = append(files, f)
		}
	}
	slices.Reverse(files)
	return distinct(files), nil
}

// openLog opens one file to read; nil for what is none.
func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, err
	}
	return f, nil
}

// distinct closes a file that was opened twice, because it was rotated between.
func distinct(files []*os.File) []*os.File {
	var out []*os.File
	var before os.FileInfo
	for _, f := range files {
		info, err := f.Stat()
		if err == nil && before != nil && os.SameFile(before, info) {
			f.Close()
			continue
		}
		before = info
		out = append(out, f)
	}
	return out
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// seekTail moves to the last n lines and drops the files before them.
func seekTail(files []*os.File, n int) ([]*os.File, error) {
	for i := len(files) - 1; i >= 0; i-- {
		at, found, err := tailOf(files[i], n)
		if err != nil {
			return files, err
		}
		if _, err := files[i].Seek(at, io.SeekStart); err != nil {
			return files, err
		}
		if n -= found; n <= 0 {
			closeAll(files[:i])
			return files[i:], nil
		}
	}
	return files, nil
}

// tailOf finds where the last n lines of a file begin, and how many there are.
func tailOf(f *os.File, n int) (at int64, found int, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	buf := make([]byte, 64<<10)
	end := info.Size()
	last := end // where the first line begins that was found
	for at = end; at > 0 && last-at <= maxGarbage; {
		size := min(at, int64(len(buf)))
		if _, err := f.ReadAt(buf[:size], at-size); err != nil {
			return 0, 0, err
		}
		for block := buf[:size]; ; {
			i := bytes.LastIndexByte(block, '\n')
			if i < 0 {
				break
			}
			// The end of the last line begins none.
			last = at - size + int64(i)
			if where := last + 1; where < end || n == 0 {
				if n == 0 {
					return end, 0, nil
				}
				if found++; found == n {
					return where, found, nil
				}
			}
			block = block[:i]
		}
		at -= size
	}
	if end > 0 && n > 0 {
		found++ // the first line of the file, or what cannot be read before the others
	}
	return at, found, nil
}
