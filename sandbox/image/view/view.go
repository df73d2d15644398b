// Package view looks at a stack of layer directories as overlayfs would merge
// them, without a mount: it needs no root and changes nothing.
//
// Whatever a layer holds is hostile. Nothing is opened but directories and
// regular files, and nothing outside of the layers, wherever links point.
package view

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// What a look can end with, beside fs.ErrNotExist and what the system says.
var (
	ErrIrregular = errors.New("it is not a regular file")
	ErrTooLarge  = errors.New("it is too large")
	ErrLoop      = errors.New("too many symbolic links")
	ErrTooDeep   = errors.New("the path has too many parts")
	errNoLayers  = errors.New("there are no layers")
)

const (
	// maxLinks is the kernel's own bound on links in one path
	// (path_resolution(7)).
	maxLinks = 40
	// maxParts bounds the names in one path.
	maxParts = bounds.Parts
)

// View is a stack of layers, merged. Paths are slash-separated and start at
// the image's root, with or without a slash; links in them are resolved inside
// the merged tree.
//
// Layers do not change while they are open. A View is not for several
// goroutines at once.
type View struct {
	layers []*os.Root // topmost first
	// last are the directories of the last look, from the root down: the next
	// is often near, and walking down costs a system call for each part of
	// each part's path in each layer.
	last []node
}

// Open opens layers, the lowest first.
func Open(layers []string) (*View, error) {
	if len(layers) == 0 {
		return nil, errNoLayers
	}
	v := &View{layers: make([]*os.Root, len(layers))}
	for i, dir := range layers {
		root, err := openLayer(dir)
		if err != nil {
			return nil, errors.Join(explain("layer "+dir, err), v.Close())
		}
		v.layers[len(layers)-1-i] = root
	}
	return v, nil
}

func openLayer(dir string) (*os.Root, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, syscall.ENOTDIR
	}
	return os.OpenRoot(dir)
}

// Close closes the layers.
func (v *View) Close() error {
	var errs []error
	for _, root := range v.layers {
		if root != nil {
			errs = append(errs, root.Close())
		}
	}
	return errors.Join(errs...)
}

// Lstat describes what is at name; of a link, the link itself.
func (v *View) Lstat(name string) (fs.FileInfo, error) {
	n, err := v.find(name, false)
	if err != nil {
		return nil, explain(name, err)
	}
	return n.info, nil
}

// Readlink gives the target of the link at name, as it is written.
func (v *View) Readlink(name string) (string, error) {
	n, err := v.find(name, false)
	if err == nil {
		var target string
		if target, err = v.target(n); err == nil {
			return target, nil
		}
	}
	return "", explain(name, err)
}

// ReadDir lists the directory at name in lexical order.
func (v *View) ReadDir(name string) ([]fs.FileInfo, error) {
	n, err := v.find(name, true)
	if err != nil {
		return nil, explain(name, err)
	}
	list, err := v.children(n)
	if err != nil {
		return nil, explain(name, err)
	}
	infos := make([]fs.FileInfo, len(list))
	for i, child := range list {
		infos[i] = child.info
	}
	return infos, nil
}

// explain says what was looked at, printably: names come from the image.
func explain(name string, err error) error {
	var in *fs.PathError
	if errors.As(err, &in) {
		err = in.Err
	}
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		name = quoted
	}
	return fmt.Errorf("%s: %w", name, err)
}

// node is one file of the merged tree. It has the same path in every layer:
// redirects are an extended attribute, which layers have none of.
type node struct {
	path   string // relative to the root, "." for itself
	info   fs.FileInfo
	layers []int // where it is, topmost first; more than one for a directory
}

// whiteout says whether a file marks that there is none, here and below.
func whiteout(info fs.FileInfo) bool {
	return info.Mode()&fs.ModeCharDevice != 0 && info.Sys().(*syscall.Stat_t).Rdev == 0
}

func (v *View) root() (node, error) {
	info, err := v.layers[0].Lstat(".")
	n := node{path: ".", info: info, layers: make([]int, len(v.layers))}
	for i := range n.layers {
		n.layers[i] = i
	}
	return n, err
}

// child looks a name up in a directory.
func (v *View) child(dir node, name string) (node, error) {
	n := node{path: path.Join(dir.path, name)}
	if !dir.info.IsDir() {
		return n, syscall.ENOTDIR
	}
	for _, i := range dir.layers {
		info, err := v.layers[i].Lstat(n.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return n, err
		}
		if !n.add(i, info) {
			break
		}
	}
	if n.info == nil {
		return n, syscall.ENOENT
	}
	return n, nil
}

// add takes in what the next layer has, and says whether those below it
// matter.
func (n *node) add(layer int, info fs.FileInfo) bool {
	if whiteout(info) || n.info != nil && !info.IsDir() {
		return false
	}
	if n.info == nil {
		n.info = info
	}
	n.layers = append(n.layers, layer)
	return info.IsDir()
}

// find walks to name from the root, through links, and through the last one
// too when follow is set.
func (v *View) find(name string, follow bool) (node, error) {
	root, err := v.root()
	if err != nil {
		return root, err
	}
	at := []node{root} // the directories above, for ".."
	defer func() { v.remember(at) }()
	rest, links := strings.Split(name, "/"), 0
	for parts := 0; len(rest) > 0; parts++ {
		part := rest[0]
		rest = rest[1:]
		here := at[len(at)-1]
		if parts >= maxParts {
			return here, ErrTooDeep
		}
		if !here.info.IsDir() {
			return here, syscall.ENOTDIR
		}
		switch part {
		case "", ".":
			continue
		case "..":
			at = at[:max(1, len(at)-1)]
			continue
		}
		next, err := v.step(here, part, len(at))
		if err != nil {
			return next, err
		}
		// A slash at the end asks for what a link points to: rest is not empty.
		if next.info.Mode()&fs.ModeSymlink == 0 || len(rest) == 0 && !follow {
			at = append(at, next)
			continue
		}
		if links++; links > maxLinks {
			return next, ErrLoop
		}
		target, err := v.target(next)
		if err != nil {
			return next, err
		}
		if path.IsAbs(target) {
			at = at[:1]
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at[len(at)-1], nil
}

// step is child of a directory that is depth parts down.
func (v *View) step(dir node, name string, depth int) (node, error) {
	if depth < len(v.last) && v.last[depth].path == path.Join(dir.path, name) {
		return v.last[depth], nil
	}
	return v.child(dir, name)
}

// remember keeps the directories of a look for the next one.
func (v *View) remember(at []node) {
	if !at[len(at)-1].info.IsDir() {
		at = at[:len(at)-1]
	}
	v.last = at
}

// target is what a link says.
func (v *View) target(n node) (string, error) {
	if n.info.Mode()&fs.ModeSymlink == 0 {
		return "", syscall.EINVAL
	}
	return v.layers[n.layers[0]].Readlink(n.path)
}
