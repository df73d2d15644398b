package shim

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// DefaultNotices is where what the containers of a pod were refused is written
// down, as NAMESPACE/POD/denials.jsonl.
const DefaultNotices = "/run/safe-run/pods"

// The files of a pod: lines of JSON, those before them, and a path that is there
// for as long as the pod is.
const (
	noticesFile = "denials.jsonl"
	olderFile   = "denials.1.jsonl"
	untilFile   = "until"
)

// maxNotices bounds one of the two files.
const maxNotices = 1 << 20

// keptPlain is how many directories are kept of containers that are in no pod and
// have ended: of these the engine's files do not tell when they are removed.
const keptPlain = 32

// podFile is the file of one pod. It outlives the pod's containers and its shim:
// a directory whose pod is gone is removed by the next shim that ends or that
// writes its first line. Who writes holds a lock.
type podFile struct {
	root *os.Root
	dir  *os.File // locked
	at   string
	file *os.File
	size int64
}

// open makes the directory of the pod and locks it.
func (p *podFile) open(dir string, s subject) error {
	group := s.group()
	if !segment(s.Namespace) || !segment(group) {
		return problem.New("", "%q in namespace %q is no name of a directory", group, s.Namespace)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	sweep(root)
	at := path.Join(s.Namespace, group)
	for range 10 {
		if p.dir, err = lockPod(root, at); err == nil {
			break
		}
	}
	if err != nil {
		root.Close()
		return err
	}
	p.root, p.at = root, at
	if s.until != "" {
		_ = root.WriteFile(path.Join(at, untilFile), []byte(s.until), 0o600) // without it, it is kept for as long as a plain one
	}
	return p.reopen()
}

// lockPod makes a directory and locks it. Who sweeps may have removed it in
// between.
func lockPod(root *os.Root, at string) (*os.File, error) {
	if err := root.MkdirAll(at, 0o700); err != nil {
		return nil, err
	}
	dir, err := root.Open(at)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		dir.Close()
		return nil, os.NewSyscallError("flock", err)
	}
	held, err1 := dir.Stat()
	there, err2 := root.Lstat(at)
	if err := errors.Join(err1, err2); err != nil || !os.SameFile(held, there) {
		dir.Close()
		return nil, errors.Join(err, errors.New(at+" was removed"))
	}
	return dir, nil
}

func (p *podFile) reopen() (err error) {
	p.file, err = p.root.OpenFile(path.Join(p.at, noticesFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	info, err := p.file.Stat()
	if err == nil {
		p.size = info.Size()
	}
	return err
}

// add writes a line, whole or not at all.
func (p *podFile) add(line []byte) error {
	if p.file == nil {
		return nil // it could not be opened, which was told
	}
	if p.size+int64(len(line)) > maxNotices && p.size > 0 {
		p.file.Close()
		p.file = nil
		if err := p.root.Rename(path.Join(p.at, noticesFile), path.Join(p.at, olderFile)); err != nil {
			return err
		}
		if err := p.reopen(); err != nil {
			return err
		}
	}
	n, err := p.file.Write(line)
	if err != nil && n > 0 {
		_ = p.file.Truncate(p.size)
		return err
	}
	p.size += int64(n)
	return err
}

// Sweep removes what is left in dir of pods that are gone.
func Sweep(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return
	}
	defer root.Close()
	sweep(root)
}

func sweep(root *os.Root) {
	for _, namespace := range names(root, ".") {
		var ended []fs.FileInfo
		for _, id := range names(root, namespace) {
			at := path.Join(namespace, id)
			if info := sweepPod(root, at); info != nil {
				ended = append(ended, info)
			}
		}
		slices.SortFunc(ended, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
		for _, info := range ended[min(len(ended), keptPlain):] {
			removePod(root, path.Join(namespace, info.Name()))
		}
	}
}

// ours says whether a directory is one that podFile made. The directory that has
// them is an administrator's to choose, and may be full of others'.
func ours(root *os.Root, at string) bool {
	dir, err := root.Open(at)
	if err != nil {
		return false
	}
	defer dir.Close()
	entries, err := dir.ReadDir(4)
	if err != nil || len(entries) > 3 {
		return false
	}
	found := false
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || name != noticesFile && name != olderFile && name != untilFile {
			return false
		}
		found = found || name == noticesFile || name == olderFile
	}
	return found
}

// removePod removes the directory of a pod with the files of podFile, and that of
// its namespace when it was the last; nothing else.
func removePod(root *os.Root, at string) {
	for _, name := range []string{untilFile, olderFile, noticesFile} {
		_ = root.Remove(path.Join(at, name))
	}
	if root.Remove(at) == nil {
		_ = root.Remove(path.Dir(at)) // unless there is something in it
	}
}

// sweepPod removes the directory of a pod that is gone. Of a container that is in
// none and has ended it gives what tells its age.
func sweepPod(root *os.Root, at string) fs.FileInfo {
	if !ours(root, at) {
		return nil
	}
	dir, err := root.Open(at)
	if err != nil {
		return nil
	}
	defer dir.Close()
	if unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil // its shim lives
	}
	until, err := readUntil(root, at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if info, err := root.Lstat(at); err == nil {
			return info
		}
	case err == nil:
		if _, err := os.Lstat(until); errors.Is(err, fs.ErrNotExist) {
			removePod(root, at)
		}
	}
	return nil
}

func readUntil(root *os.Root, at string) (string, error) {
	f, err := root.Open(path.Join(at, untilFile))
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, unix.PathMax))
	return string(data), err
}

// names are the directories in one.
func names(root *os.Root, at string) []string {
	dir, err := root.Open(at)
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(-1)
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

// segment says whether a name is one part of a path.
func segment(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}
