// Package copy copies files between the host and a container that runs.
//
// What the container holds is hostile, and changes while it is read: everything
// is opened by descriptor, one name at a time, below the root that the
// container's own processes have, without following a link that was not asked
// for. Nothing of the container is run, loaded or parsed, and of its files only
// plain ones are ever opened: a FIFO would block, and a device could act.
package copy

import (
	"io"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// Kind is what a file is.
type Kind string

// The kinds.
const (
	File    Kind = "file"
	Dir     Kind = "directory"
	Symlink Kind = "link"
	Hard    Kind = "hard link"
	FIFO    Kind = "FIFO"
	Char    Kind = "character device"
	Block   Kind = "block device"
	Socket  Kind = "socket"
)

// Entry is one file on its way.
type Entry struct {
	// Name is relative to where the copy goes, slash-separated; "." is the
	// directory itself.
	Name string
	Kind Kind
	// Mode is the permission bits, with setuid, setgid and sticky.
	Mode uint32
	// UID and GID are numbers of the side that it came from: inside a
	// container, the container's.
	UID, GID uint32
	Size     int64
	// Sec and Nsec are when it was changed.
	Sec, Nsec int64
	// Target is a link's, or for a hard link the Name of an entry before.
	Target string
	// Major and Minor are a device's.
	Major, Minor uint32
}

// Emit takes one entry, and the content of a plain file.
type Emit func(e Entry, content io.Reader) error

const (
	maxName  = 4095 // PATH_MAX without its end
	maxParts = 1000 // of one name
)

// checkName refuses names that could lead elsewhere.
func checkName(name string) error {
	hint := "it was made to write elsewhere; do not copy it"
	switch {
	case name == "":
		return problem.New(hint, "an entry has no name")
	case strings.Contains(name, "\x00"):
		return problem.New(hint, "the name %s has a NUL byte", shown(name))
	case strings.HasPrefix(name, "/"):
		return problem.New(hint, "the name %s is absolute", shown(name))
	case len(name) > maxName || strings.Count(name, "/") >= maxParts:
		return problem.New("copy it in parts, from further down", "the name %s is too long", shown(name))
	}
	if name == "." {
		return nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return problem.New(hint, "the name %s has a part %q", shown(name), part)
		}
	}
	return nil
}
