// Package image opens images: it reads references, opens directories and
// programs itself, and finds all others by their records in the store. What is
// not there, is out of date or was checked against another policy is fetched,
// checked and unpacked by a second program, safe-run-image, so that neither
// parsers of foreign formats nor network code are part of the launcher (see
// the packages below this one).
//
// Everything in an image is hostile: its names, its config and its files.
package image

import (
	"context"
	"errors"
	"io"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Pull says when an image is looked for outside of the store.
type Pull string

// The three of docker.
const (
	PullMissing Pull = "missing"
	PullAlways  Pull = "always"
	PullNever   Pull = "never" // not from a registry, that is
)

// ParsePull reads one of the three; "" is missing.
func ParsePull(s string) (Pull, error) {
	switch p := Pull(s); p {
	case "":
		return PullMissing, nil
	case PullMissing, PullAlways, PullNever:
		return p, nil
	}
	return "", problem.New("missing looks only for what the store does not have", "%q is not always, missing or never", s)
}

// Options says where images are kept, what they must satisfy, and who fetches
// them.
type Options struct {
	// Store is the directory of images; DefaultStore when empty.
	Store string
	// Trust is what an image must satisfy.
	Trust spec.Trust
	// Pull is PullMissing when empty.
	Pull Pull
	// Stderr gets the progress of an image that is being fetched.
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

// Open makes the image that reference s names ready to run. Its tree is not
// removed before Close. An error is a problem.Error wherever the user can do
// something about it.
func Open(ctx context.Context, s string, o Options) (*Image, error) {
	if id := idOf(s); id != "" {
		if img, err := openByID(ctx, s, id, o); img != nil || err != nil {
			return img, err
		}
	}
	ref, err := Parse(s)
	if err != nil {
		return nil, bareFile(s, err)
	}
	if err := refuseUnnamed(ref, o.Trust); err != nil {
		return nil, err
	}
	var img *Image
	switch ref.Transport {
	case Dir:
		img, err = openDirectory(ref)
	case Program:
		img, err = openProgram(ref)
	default:
		img, err = openStored(ctx, ref, o)
	}
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
