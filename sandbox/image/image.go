// Package image opens images: it reads references, opens directories and
// programs itself, and finds archives and layouts that were unpacked before by
// their record. What it does not find it has unpacked by a second program,
// safe-run-image, so that neither parsers of foreign formats nor network code
// are part of the launcher (see the package unpack below this one).
//
// Everything in an image is hostile: its names, its config and its files.
package image

import (
	"context"
	"errors"
	"io"

	"github.com/safe-run/safe-run/spec"
)

// Options says where images are kept and who unpacks them.
type Options struct {
	// Store is the directory of unpacked images; DefaultStore when empty.
	Store string
	// Stderr gets the progress lines of an image that is being unpacked.
	Stderr io.Writer
	// Program is the path of safe-run-image. When it is empty, the variable
	// SAFE_RUN_IMAGE, the directory of the running executable and PATH are
	// looked at, in this order.
	Program string
}

// Image is an image that can be run as long as it is open.
type Image struct {
	Spec spec.Image
	lock *Lock
}

// Close lets the image go: from now on it may be removed from the store. It
// may be called more than once.
func (i *Image) Close() error {
	return i.lock.Release()
}

// opener opens the images of one transport.
type opener func(context.Context, Reference, Options) (*Image, error)

var openers = map[string]opener{
	OCI:           openStored,
	OCIArchive:    openStored,
	DockerArchive: openStored,
	Dir:           openDirectory,
	Program:       openProgram,
}

// Open makes the image that reference s names ready to run. Its tree is not
// removed before Close. An error is a problem.Error wherever the user can do
// something about it.
func Open(ctx context.Context, s string, o Options) (*Image, error) {
	ref, err := Parse(s)
	if err != nil {
		return nil, bareFile(s, err)
	}
	img, err := openers[ref.Transport](ctx, ref, o)
	if err != nil {
		return nil, err
	}
	img.Spec.Reference = s
	if img.Spec.Rootfs == "" {
		return img, nil
	}
	img.Spec.Passwd, err = readAccounts(img.Spec.Rootfs, "/etc/passwd")
	if err == nil {
		img.Spec.Group, err = readAccounts(img.Spec.Rootfs, "/etc/group")
	}
	if err != nil {
		return nil, errors.Join(err, img.Close())
	}
	return img, nil
}
