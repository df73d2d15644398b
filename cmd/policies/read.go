package policies

import (
	"io"
	"os"
	"syscall"

	"github.com/safe-run/safe-run/spec/problem"
)

// ReadBounded reads a regular file of at most limit bytes. O_NONBLOCK is for
// fifos, which would wait for a writer before they could be refused.
func ReadBounded(name string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, problem.New("check the path, and that you may read it", "%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, problem.New("name a plain file", "%s is not a regular file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, problem.New("split it", "%s is larger than %d KiB", name, limit>>10)
	}
	return data, nil
}
