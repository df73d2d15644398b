package unpack

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

// DefaultLimits are generous for real images: the largest in common use have
// some 400,000 entries and 15 GiB.
var DefaultLimits = Limits{Entries: 1_000_000, Bytes: 16 << 30, Names: 512 << 20, Layers: 512}

const (
	// maxMetadata bounds a manifest, an index and a config in bytes; it is
	// what registries accept (distribution's default, containerd's too).
	maxMetadata = 4 << 20
	// maxPath bounds a path in a layer in bytes. It leaves room for the
	// store's own path below PATH_MAX, and is far above what packages use.
	maxPath = 3072
	// maxName is NAME_MAX of every Linux filesystem.
	maxName = 255
	// maxXattrs bounds the extended attributes of one entry in bytes
	// (XATTR_SIZE_MAX, xattr(7)).
	maxXattrs = 64 << 10
	// maxID is the highest user and group id that a container has.
	maxID = 65535
	// maxWindow bounds a zstd window in bytes: what zstd --ultra --long needs.
	maxWindow = 128 << 20
	// maxArchiveEntries bounds the files of an archive that holds blobs, and
	// maxArchiveNames their names in bytes.
	maxArchiveEntries = 100_000
	maxArchiveNames   = 16 << 20
)

// budget is what is left of Limits.
type budget struct {
	limits  Limits
	entries int64
	bytes   int64
	names   int64
	visits  int64
	stream  int64 // bytes of tar, contents included
}

func (b *budget) takeEntries(n int64) error {
	if b.entries += n; b.entries > b.limits.Entries {
		return over("--max-entries", "more than %d files", b.limits.Entries)
	}
	return nil
}

func (b *budget) takeBytes(n int64) error {
	// n is a size from a header: it may be anything up to 2^63-1.
	if n < 0 || n > b.limits.Bytes-b.bytes {
		return over("--max-bytes", "more than %s of files", size(b.limits.Bytes))
	}
	b.bytes += n
	return nil
}

func (b *budget) takeNames(n int) error {
	if b.names += int64(n); b.names > b.limits.Names {
		return over("", "more than %s of file names and attributes", size(b.limits.Names))
	}
	return nil
}

// takeVisit bounds the work that opaque directories cause: each is walked once
// for each marker.
func (b *budget) takeVisit() error {
	if b.visits++; b.visits > 8*b.limits.Entries {
		return over("--max-entries", "too many whiteouts (more than %d files to look at)", 8*b.limits.Entries)
	}
	return nil
}

// over is the error of a budget; flag is what raises it.
func over(flag, format string, args ...any) error {
	hint := "it may be an archive bomb"
	if flag != "" {
		hint += "; if you trust it, unpack it first: safe-run-image unpack " + flag + " N IMAGE"
	}
	return problem.New(hint, "the image has "+format, args...)
}

// size shows a number of bytes.
func size(n int64) string {
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
