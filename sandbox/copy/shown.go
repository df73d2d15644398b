package copy

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// shown is a name fit for one line of a terminal, whatever is in it.
func shown(name string) string {
	if len(name) > 200 {
		name = name[:200] + "..."
	}
	if quoted := strconv.QuoteToASCII(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// failed says in one line what cannot be done to a file, with the name as it is
// on its side.
func failed(doing, name string, err error) error {
	var known *problem.Error
	if errors.As(err, &known) {
		return err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	hint := ""
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EXDEV):
		hint = "something changes it meanwhile: safe-run pause the container, or copy again"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		hint = "make room; what was copied before it stays"
	case errors.Is(err, unix.EBUSY):
		hint = "something is mounted at that very file: change it where it comes from"
	case errors.Is(err, unix.EOVERFLOW), errors.Is(err, unix.EINVAL):
		hint = "the filesystem there has no such owner; leave out -a"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		hint = "run safe-run as root"
		if os.Geteuid() == 0 {
			// A mount that maps only some owners keeps even root from the files
			// of others (capable_wrt_inode_uidgid).
			hint = "its mount keeps it from the container, too: copy it where it is on the host"
		}
	}
	return problem.New(hint, "%s %s: %w", doing, shown(name), err)
}
