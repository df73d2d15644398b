package image

import (
	"errors"
	"io/fs"
	"os"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// maxAccounts bounds an image's /etc/passwd and /etc/group in bytes.
const maxAccounts = 1 << 20

// accountsHint is for images whose accounts cannot be read, hostile ones too.
const accountsHint = "remove it from the image, or make it a plain file"

// readAccounts reads a file of the tree at rootfs. Symbolic links are resolved
// inside the tree, whatever they say. Nothing but a regular file is ever
// opened for reading: a FIFO would block and a device could act. A file that
// is not there is empty.
func readAccounts(rootfs, path string) ([]byte, error) {
	handle, err := pathrs.OpenInRoot(rootfs, path) // O_PATH: opens nothing yet
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return nil, nil
	case err != nil:
		return nil, problem.New(accountsHint, "image's %s: %w", path, err)
	}
	defer handle.Close()
	b, err := reopenRegular(handle)
	switch {
	case errors.Is(err, errIrregular):
		return nil, problem.New(accountsHint, "image's %s is not a regular file", path)
	case errors.Is(err, errTooLarge):
		return nil, problem.New(accountsHint, "image's %s is larger than %d bytes", path, maxAccounts)
	case err != nil:
		return nil, problem.New(accountsHint, "image's %s: %w", path, err)
	}
	return b, nil
}

func reopenRegular(handle *os.File) ([]byte, error) {
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errIrregular
	}
	f, err := pathrs.Reopen(handle, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readRegular(f, maxAccounts)
}
