package unpack

import (
	"archive/tar"
	"path"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// filter looks at every entry of a layer before anything is written for it.
type filter struct {
	budget *Budget
	last   string // the entry that was looked at last
}

// accept refuses what no honest image has, charges the rest to the budget, and
// takes from the header what must not reach the disk.
func (f *filter) accept(h *tar.Header) (bool, error) {
	f.last = h.Name
	if err := f.budget.takeEntries(1); err != nil {
		return false, err
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return false, nil
	}
	if err := checkPath("path", h.Name); err != nil {
		return false, err
	}
	for _, dir := range strings.Split(path.Dir(h.Name), "/") {
		switch {
		case strings.HasPrefix(dir, whiteoutMeta):
			return false, nil
		case strings.HasPrefix(dir, whiteoutPrefix):
			return false, odd(h.Name, "is in a directory that is a whiteout")
		}
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		h.Typeflag = tar.TypeReg
		if err := f.budget.takeBytes(h.Size); err != nil {
			return false, err
		}
	case tar.TypeLink:
		if err := checkPath("hard link", h.Linkname); err != nil {
			return false, err
		}
	case tar.TypeSymlink:
		if len(h.Linkname) > bounds.Path {
			return false, odd(h.Name, "links to a path of %d bytes; at most %d are read", len(h.Linkname), bounds.Path)
		}
	case tar.TypeChar, tar.TypeBlock:
		// Real images have some (debootstrap makes /dev/full); the sandbox
		// brings its own /dev and mounts the image nodev.
		return false, nil
	case tar.TypeDir, tar.TypeFifo:
	default:
		return false, odd(h.Name, "is of an unknown type %q", h.Typeflag)
	}
	if h.Uid < 0 || h.Uid > bounds.ID || h.Gid < 0 || h.Gid > bounds.ID {
		return false, odd(h.Name, "belongs to %d:%d; a container has the ids 0 to %d", h.Uid, h.Gid, bounds.ID)
	}
	// Setuid and setgid would not be honoured (nosuid, no_new_privs), and must
	// not lie about as such on the host either.
	h.Mode &= 0o1777
	return true, f.attributes(h)
}

// checkPath refuses a path that leads out of the tree or that no filesystem
// can have. An absolute one is taken from the tree's root, as elsewhere.
func checkPath(what, name string) error {
	clean := path.Clean(name)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return odd(name, "has a %s that leads out of the image", what)
	}
	if err := checkLength(name, what, name); err != nil {
		return err
	}
	if slices.ContainsFunc(strings.Split(clean, "/"), func(part string) bool { return len(part) > bounds.Name }) {
		return odd(name, "has a name of more than %d bytes", bounds.Name)
	}
	if strings.ContainsRune(name, 0) {
		return odd(name, "has a NUL character in its %s", what)
	}
	return nil
}

// checkLength refuses a path of an entry that is too long, or that has too many
// parts for the merged tree to be looked at.
func checkLength(entry, what, name string) error {
	if len(name) > bounds.Path {
		return odd(entry, "has a %s of %d bytes; at most %d are read", what, len(name), bounds.Path)
	}
	if n := strings.Count(name, "/") + 1; n >= bounds.Parts {
		return odd(entry, "has a %s of %d parts; fewer than %d are read", what, n, bounds.Parts)
	}
	return nil
}

// odd is the error of an entry that is refused.
func odd(name, format string, args ...any) error {
	if len(name) > 128 {
		name = name[:128] + "..."
	}
	return problem.New("the image is damaged or hostile; build it again from a source you trust",
		"its file %q "+format, append([]any{name}, args...)...)
}

const xattrRecord = "SCHILY.xattr."

// attributes keeps only the extended attributes of users, and none of the
// records that were read already: the library keeps the headers of directories
// in memory.
func (f *filter) attributes(h *tar.Header) error {
	total := 0
	for key, value := range h.PAXRecords {
		name, isXattr := strings.CutPrefix(key, xattrRecord)
		switch {
		case isXattr && (strings.HasPrefix(name, "trusted.") || strings.HasPrefix(name, "user.overlay.")):
			// They would steer overlayfs: redirect, opaque, metacopy.
			return odd(h.Name, "has the attribute %q, which only a filesystem may set", name)
		case isXattr && strings.HasPrefix(name, "user."):
			total += len(name) + len(value)
		default:
			// Also security.capability, which no_new_privs makes useless.
			delete(h.PAXRecords, key)
		}
	}
	if total > bounds.Xattrs {
		return odd(h.Name, "has %d bytes of attributes; at most %d are read", total, bounds.Xattrs)
	}
	return f.budget.takeNames(len(h.Name) + len(h.Linkname) + total)
}
