package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// bind looks at the source of a bind mount and asks for it.
func (b *runBuilder) bind(bind spec.Bind) error {
	bind, err := statBind(bind)
	b.o.Request.Binds = append(b.o.Request.Binds, bind)
	return err
}

// statBind resolves the source of a bind mount and says what it is, because
// compiling does no I/O.
func statBind(bind spec.Bind) (spec.Bind, error) {
	typed := bind.Source
	abs, err := filepath.Abs(typed)
	if err != nil {
		return bind, err
	}
	if bind.Source, err = filepath.EvalSymlinks(abs); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return bind, problem.New(missingHint(typed, abs), "host path %s does not exist", typed)
		}
		return bind, problem.New("check the path, and that you may read it", "host path %s: %w", typed, err)
	}
	info, err := os.Lstat(bind.Source)
	if err != nil {
		return bind, err
	}
	if mode := info.Mode().Type(); mode != 0 && mode != fs.ModeDir && mode != fs.ModeSocket {
		return bind, problem.New("mount a directory, a plain file or a socket", "host path %s is a %s", typed, kindOf(mode))
	}
	bind.IsDir = info.IsDir()
	owner := info.Sys().(*syscall.Stat_t)
	bind.OwnerUID, bind.OwnerGID = owner.Uid, owner.Gid
	return bind, nil
}

// missingHint offers to make what may be meant as a directory; a socket, a file
// or a device is not made with mkdir.
func missingHint(typed, abs string) string {
	for _, dir := range []string{"/dev/", "/proc/", "/sys/", "/run/", "/var/run/"} {
		if strings.HasPrefix(abs, dir) {
			return "check the path"
		}
	}
	if filepath.Ext(strings.TrimLeft(filepath.Base(abs), ".")) != "" {
		return "check the path, or if it is to be a directory: mkdir " + typed
	}
	return "make it first: mkdir " + typed
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeDevice != 0:
		return "device"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	}
	return "special file"
}
