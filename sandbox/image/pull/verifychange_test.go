package pull

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

var testConfig = spec.ImageConfig{Cmd: []string{"/bin/a"}}

func whiteoutAt(path string) error { return unix.Mknod(path, unix.S_IFCHR, 0) }

func replaceFile(path, content string, mode os.FileMode) error {
	return errors.Join(os.Remove(path), os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode))
}

func relink(from, to string) error { return errors.Join(os.Remove(to), os.Link(from, to)) }

func setAttribute(path, value string) error { return unix.Setxattr(path, "user.a", []byte(value), 0) }
