package volume

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// maxRecord bounds a record: labels are what is long in it.
const maxRecord = 1 << 20

// parseRecord reads what a file says of the volume name. Fields of a later
// version are passed over.
func parseRecord(data []byte, name string) (Volume, error) {
	var v Volume
	dec := json.NewDecoder(bytes.NewReader(data))
	if dec.Decode(&v) != nil {
		return Volume{}, errors.New(recordFile + " is not JSON of the kind that is expected")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Volume{}, errors.New("something follows the end of " + recordFile)
	}
	switch {
	case v.Name != name:
		return Volume{}, errors.New(recordFile + " is about another volume")
	case v.Size < 0, v.Size == 0 && v.Project != 0, v.Size > 0 && v.Project == 0:
		return Volume{}, errors.New("its size is none")
	case v.Container != "" && !validID(v.Container):
		return Volume{}, errors.New("the container that it goes with is none")
	}
	return v, nil
}

// validID says whether an id is a container's: 64 hexadecimal digits.
func validID(id string) bool { return len(id) == 64 && strings.Trim(id, "0123456789abcdef") == "" }

func writeRecord(dir int, v Volume) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(data) > maxRecord {
		return problem.New("write shorter labels", "the labels of volume %s are too long to keep", v.Name)
	}
	return replace(dir, recordFile, data)
}

// partSuffix ends the name of a file that is being written.
const partSuffix = ".part"

// replace writes a file anew: whoever reads it finds the old one or the new
// one, also after the power has failed.
func replace(dir int, name string, data []byte) error {
	part := name + partSuffix
	fd, err := unix.Openat(dir, part, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: part, Err: err}
	}
	f := os.NewFile(uintptr(fd), part)
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.NewSyscallError("renameat", unix.Renameat(dir, part, dir, name))
	}
	if err != nil {
		_ = unix.Unlinkat(dir, part, 0)
		return problem.New(roomHint, "write down %s: %w", name, err)
	}
	return os.NewSyscallError("fsync", unix.Fsync(dir))
}

const roomHint = "make room on the disk, and see that it is not mounted read-only"

// readRecord reads a volume's record: no link is followed, no device or pipe
// waited for, and nothing huge read.
func readRecord(dir int, name string) (Volume, error) {
	fd, err := unix.Openat(dir, recordFile, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return Volume{}, fmt.Errorf("%s cannot be opened: %w", recordFile, err)
	}
	f := os.NewFile(uintptr(fd), recordFile)
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Volume{}, err
	}
	if !info.Mode().IsRegular() {
		return Volume{}, errors.New(recordFile + " is not a file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return Volume{}, err
	}
	if len(data) > maxRecord {
		return Volume{}, errors.New(recordFile + " is too large")
	}
	return parseRecord(data, name)
}
