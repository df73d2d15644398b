// Package bounds says how much of an image is too much. Every reader of images
// has the same bounds, whatever form the image has.
package bounds

import (
	"fmt"

	"github.com/safe-run/safe-run/spec/problem"
)

// Limits bounds what an image may cost. Every bound is for the whole image.
type Limits struct {
	Entries int64 // files, directories and links, implied parents included
	Bytes   int64 // uncompressed layers, and what sparse files expand to
	Names   int64 // bytes of paths, link targets and extended attributes, which are held in memory
	Layers  int
}

// Default is generous for real images: the largest in common use have some
// 400,000 entries and 15 GiB. overlayfs stacks at most 500 layers, of which
// one is the sandbox's own.
var Default = Limits{Entries: 1_000_000, Bytes: 16 << 30, Names: 512 << 20, Layers: 499}

const (
	// Metadata bounds a manifest, an index and a config in bytes; it is what
	// registries accept (distribution's default, containerd's too).
	Metadata = 4 << 20
	// Path bounds a path in a layer in bytes. It leaves room for the store's
	// own path below PATH_MAX, and is far above what packages use.
	Path = 3072
	// Parts bounds the names in one path, those of links included. Looking a
	// path up takes time by its depth in each of hundreds of layers.
	Parts = 255
	// Name is NAME_MAX of every Linux filesystem.
	Name = 255
	// Xattrs bounds the extended attributes of one entry in bytes
	// (XATTR_SIZE_MAX, xattr(7)).
	Xattrs = 64 << 10
	// ID is the highest user and group id that a container has.
	ID = 65535
	// Window bounds a zstd window in bytes: what zstd --ultra --long needs.
	Window = 128 << 20
	// ArchiveEntries bounds the files of an archive that holds blobs, and
	// ArchiveNames their names in bytes.
	ArchiveEntries = 100_000
	ArchiveNames   = 16 << 20
)

// Over is the error of a bound; flag is what raises it, if anything does.
func Over(flag, format string, args ...any) error {
	hint := "it may be an archive bomb"
	if flag != "" {
		hint += "; if you trust it, pull it first: safe-run image pull " + flag + " N IMAGE"
	}
	return problem.New(hint, "the image has "+format, args...)
}

// TooManyLayers is the error of an image that the kernel cannot stack. Docker and
// Podman stack 125 and 128.
func TooManyLayers(most int) error {
	return problem.New("build it with fewer: several commands in one RUN, or a last stage with the result alone (FROM scratch, COPY --from=build / /)",
		"the image has more than %d layers", most)
}

// Size shows a number of bytes.
func Size(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
