package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Refused is a call that the kernel itself answered with EPERM, EACCES or EROFS.
type Refused struct {
	Number  int
	Errno   syscall.Errno
	Process string
	// Path is the file that it named, as it was named; empty for other calls.
	Path  string
	Count uint64
}

// Kernel counts what the kernel refuses in one control group. While it does,
// each system call on this host, whoever makes it, takes some 100 ns longer.
type Kernel struct {
	denied, paths, lost *table
	program, link       *os.File
}

// maxRefused bounds the different refusals that are told apart.
const maxRefused = 1024

// The key of a refusal: number, errno, name and path. No process: a script that
// starts one after the other would fill the table.
const (
	keySize  = 152
	atErrno  = 4
	atName   = 8
	nameSize = 16
	atPath   = 24
	pathSize = keySize - atPath
)

// WatchKernel begins to count, for the control group at a directory of the
// unified hierarchy and what is below it.
func WatchKernel(dir string) (_ *Kernel, err error) {
	if pathArguments == nil {
		return nil, problem.New("x86-64 has it", "watch the kernel: what it refuses cannot be told on this architecture")
	}
	id, level, err := groupOf(dir)
	if err != nil {
		return nil, err
	}
	k := &Kernel{}
	defer func() {
		if err != nil {
			k.Close()
			err = problem.New("it is Linux 5.8 and CAP_BPF with CAP_PERFMON that it takes, or CAP_SYS_ADMIN", "watch the kernel: %w", err)
		}
	}()
	if k.denied, err = newTable(mapHash, keySize, 8, maxRefused); err != nil {
		return nil, err
	}
	if k.paths, err = newTable(mapArray, 4, 4, maxNumber); err != nil {
		return nil, err
	}
	if k.lost, err = newTable(mapArray, 4, 8, 1); err != nil {
		return nil, err
	}
	for number, argument := range pathArguments {
		if err := k.paths.put(word(number), word(argument)); err != nil {
			return nil, err
		}
	}
	if k.program, err = load(k.instructions(id, level)); err != nil {
		return nil, err
	}
	k.link, err = attach(k.program)
	return k, err
}

// groupOf gives the number of a control group, and how deep it lies.
func groupOf(dir string) (id uint64, level int, err error) {
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		return 0, 0, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	var root unix.Stat_t
	for at := dir; ; level++ {
		up := at + "/.."
		if err := unix.Stat(at, &root); err != nil {
			return 0, 0, &os.PathError{Op: "stat", Path: at, Err: err}
		}
		const rootInode = 1 // of cgroup2's root
		if root.Ino == rootInode {
			return stat.Ino, level, nil
		}
		if root.Dev != stat.Dev || level > 64 {
			return 0, 0, fmt.Errorf("%s is not in a hierarchy of control groups", dir)
		}
		at = up
	}
}

// Read gives what was refused so far, and how many refusals there was no room for.
func (k *Kernel) Read() (list []Refused, lost uint64, err error) {
	var value [8]byte
	if err := k.lost.get(word(0), value[:]); err != nil {
		return nil, 0, err
	}
	lost = binary.NativeEndian.Uint64(value[:])
	var key []byte
	for range maxRefused {
		next := make([]byte, keySize)
		err := k.denied.next(key, next)
		if errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return nil, lost, err
		}
		key = next
		if err := k.denied.get(key, value[:]); err != nil {
			return nil, lost, err
		}
		r := refusedOf(key)
		r.Count = binary.NativeEndian.Uint64(value[:])
		list = append(list, r)
	}
	return list, lost, nil
}

// refusedOf reads a key.
func refusedOf(key []byte) Refused {
	text := func(b []byte) string {
		if i := bytes.IndexByte(b, 0); i >= 0 {
			b = b[:i]
		}
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	return Refused{
		Number:  int(binary.NativeEndian.Uint32(key)),
		Errno:   syscall.Errno(-int32(binary.NativeEndian.Uint32(key[atErrno:]))),
		Process: text(key[atName : atName+nameSize]),
		Path:    text(key[atPath:]),
	}
}

// Close ends it.
func (k *Kernel) Close() {
	for _, f := range []*os.File{k.link, k.program} {
		if f != nil {
			f.Close()
		}
	}
	for _, t := range []*table{k.denied, k.paths, k.lost} {
		if t != nil {
			t.file.Close()
		}
	}
}

func word(n int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }
