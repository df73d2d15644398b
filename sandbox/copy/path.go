package copy

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// words is a path as it was typed.
type words struct {
	typed string
	// path is absolute and clean.
	path string
	// base is its last name.
	base string
	// dir: it ends in a slash or a dot, so that it must be a directory.
	dir bool
	// content: it ends in a dot, and means what is in the directory.
	content bool
}

// words takes a path apart. One inside a container is meant from its root.
func (t *Tree) words(typed string) (words, error) {
	w := words{typed: typed}
	if strings.Contains(typed, "\x00") {
		return w, problem.New("", "the path %s has a NUL byte", shown(typed))
	}
	last := typed[strings.LastIndexByte(typed, '/')+1:]
	w.dir = last == "" || last == "." || last == ".."
	w.content = last == "."
	switch {
	case t.Root != nil:
		w.path = path.Join("/", typed)
	case typed == "":
		return w, problem.New("a directory is written as .", "a path of the host is empty")
	default:
		abs, err := filepath.Abs(typed)
		if err != nil {
			return w, err
		}
		w.path = abs
	}
	if w.base = path.Base(w.path); w.base == "/" {
		w.content = true
	}
	return w, nil
}

// found is what is at a destination.
type found struct{ exists, dir, link bool }

// place says under what name the source goes into the destination when that is
// a directory, and else into the one above, as docker does.
func place(src words, srcDir bool, dst words, at found) (name string, err error) {
	switch {
	case at.dir && src.content && srcDir:
		return ".", nil
	case at.dir:
		return src.base, nil
	case at.link && (srcDir || dst.dir):
		return "", problem.New("remove it first; a directory that it leads to is written with a slash at the end", "%s is a link, not a directory", shown(dst.typed))
	case at.exists && srcDir:
		return "", problem.New("name a directory to copy it into", "%s is a file, and %s a directory", shown(dst.typed), shown(src.typed))
	case at.exists && dst.dir:
		return "", problem.New("leave out what follows its name", "%s is a file, not a directory", shown(dst.typed))
	case !at.exists && !srcDir && dst.dir:
		return "", problem.New("make it first, or leave out the slash at the end", "the directory %s does not exist", shown(dst.typed))
	}
	return dst.base, nil
}
