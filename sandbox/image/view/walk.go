package view

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"syscall"
)

// Entry is one file of the merged tree, as Walk shows it. It is valid while fn
// runs.
type Entry struct {
	Path  string // relative to the root, "." for itself
	Info  fs.FileInfo
	Layer int // the one it comes from, counted from the lowest
	view  *View
	node  node
}

// Open opens a regular file for its content, or a directory for its extended
// attributes; anything else is ErrIrregular.
func (e Entry) Open() (*os.File, error) {
	f, err := e.view.open(e.node)
	if err != nil {
		return nil, explain(e.Path, err)
	}
	return f, nil
}

// Readlink gives the target of a link, as it is written.
func (e Entry) Readlink() (string, error) {
	target, err := e.view.target(e.node)
	if err != nil {
		return "", explain(e.Path, err)
	}
	return target, nil
}

// Walk calls fn for the root and everything below it, a directory before what
// is in it, names in lexical order. fn may return fs.SkipDir for a directory.
func (v *View) Walk(fn func(Entry) error) error {
	root, err := v.root()
	if err != nil {
		return explain(".", err)
	}
	return v.walk(root, 0, fn)
}

func (v *View) walk(n node, depth int, fn func(Entry) error) error {
	err := fn(Entry{Path: n.path, Info: n.info, Layer: len(v.layers) - 1 - n.layers[0], view: v, node: n})
	if !n.info.IsDir() {
		return err
	}
	if errors.Is(err, fs.SkipDir) {
		return nil
	}
	if err != nil {
		return err
	}
	if depth >= maxParts {
		return explain(n.path, ErrTooDeep)
	}
	list, err := v.children(n)
	if err != nil {
		return explain(n.path, err)
	}
	for _, child := range list {
		if err := v.walk(child, depth+1, fn); err != nil {
			return err
		}
	}
	return nil
}

// children are what is in a directory, in lexical order. Each layer is listed
// once, and asked only for names that are not hidden by one above it.
func (v *View) children(dir node) ([]node, error) {
	if !dir.info.IsDir() {
		return nil, syscall.ENOTDIR
	}
	found, hidden := map[string]*node{}, map[string]bool{}
	for _, i := range dir.layers {
		if err := v.list(dir.path, i, found, hidden); err != nil {
			return nil, err
		}
	}
	var list []node
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if found[name].info != nil {
			list = append(list, *found[name])
		}
	}
	return list, nil
}

// list adds what one layer has in dir to found. Below a name that is hidden
// nothing counts.
func (v *View) list(dir string, layer int, found map[string]*node, hidden map[string]bool) error {
	root, err := v.layers[layer].OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	names, err := readNames(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		if hidden[name] {
			continue
		}
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		n := found[name]
		if n == nil {
			n = &node{path: path.Join(dir, name)}
			found[name] = n
		}
		if !n.add(layer, info) {
			hidden[name] = true
		}
	}
	return nil
}

func readNames(root *os.Root) ([]string, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
