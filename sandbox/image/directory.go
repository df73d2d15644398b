package image

import (
	"fmt"
	"os"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// openDirectory takes a directory as the root filesystem, as it is. It has no
// config: what to run comes from the command line.
func openDirectory(r Reference) (*Image, error) {
	path, err := resolve(r)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, problem.New("", "image %s: %w", r, err)
	}
	if !info.IsDir() {
		return nil, problem.New("for an archive write oci-archive:FILE or docker-archive:FILE, for a static executable ./program",
			"image %s: %s is not a directory", r, quoteOdd(r.Path))
	}
	root, err := os.Stat("/")
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", r, err)
	}
	if os.SameFile(info, root) {
		return nil, problem.New("make a root filesystem of its own, for example: debootstrap --variant=minbase stable ./rootfs",
			"image %s is this host's own root filesystem", r)
	}
	return &Image{Spec: spec.Image{Rootfs: path}}, nil
}

// bareFile mends the hint of a reference that does not parse but names a file
// that is there.
func bareFile(s string, err error) error {
	if printable(s) != nil || !exists(s) {
		return err
	}
	if isDirectory(s) {
		return problem.New(directoryHint(s), "image %q is a directory, and does not say of which form", s)
	}
	return problem.New(fileHint("./"+s), "image %q is a file, and does not say of which form", s)
}

// FileHere is the error of a bare name that is a file or a directory here, and
// most likely meant: no registry shall be asked for it. nil when it is none.
func FileHere(r Reference) error {
	name, _, _ := r.Name()
	err := bareFile(name, nil)
	if r.Transport != Named || err == nil {
		return nil
	}
	return problem.New(problem.HintOf(err)+"; for an image of a registry safe-run image pull "+name, "%w", err)
}

// directoryHint says how to write the directory at path as an image.
func directoryHint(path string) string {
	if exists(path + "/oci-layout") {
		return "write oci:" + path
	}
	return "write dir:" + path
}
