package audit

import (
	"path"
	"strings"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// kind is what a node is.
type kind byte

const (
	regular kind = iota
	directory
	symlink
	other // a FIFO; devices are left out, as they are when layers are unpacked
)

// node is a file of the merged image.
type node struct {
	kind     kind
	mode     uint16 // permissions, setuid, setgid and sticky
	uid, gid int
	layer    int    // from 1: the one that has the entry; 0 for implied parents
	touched  int    // the last layer that has it or something in it
	target   string // of a symbolic link
	caps     string // security.capability as it is stored
	text     []byte // of the few files that checks read
	children map[string]*node
}

// The bits of a mode, as in a tar.
const (
	setuid = 0o4000
	setgid = 0o2000
	sticky = 0o1000
)

// tree is the merged image.
type tree struct {
	root   *node
	budget *budget
}

func newTree(b *budget) *tree {
	return &tree{root: newDirectory(), budget: b}
}

// newDirectory is one that no entry describes. What a layer puts into it makes
// it the layer's; a whiteout does not.
func newDirectory() *node {
	return &node{kind: directory, mode: 0o755, children: map[string]*node{}}
}

// place is where a path leads to.
type place struct {
	nodes []*node  // the root and the directories below it
	names []string // one fewer than nodes
}

func (p place) dir() *node { return p.nodes[len(p.nodes)-1] }

// path is the path of a name in the place, through no link.
func (p place) path(name string) string {
	return strings.Join(append(p.names[:len(p.names):len(p.names)], name), "/")
}

const (
	// maxHops is how many links the kernel follows in a path (path_resolution(7)).
	maxHops = 40
	// maxDepth is how deep directories can be: no path is longer than bounds.Path.
	maxDepth = bounds.Path / 2
)

// walker follows a path in the tree.
type walker struct {
	t      *tree
	at     place
	hops   int
	create bool // what is missing
}

// parent finds the directory that name is in, through links, and makes it
// where it is missing.
func (t *tree) parent(name string) (place, error) {
	w := walker{t: t, create: true, at: place{nodes: []*node{t.root}}}
	if err := w.follow(path.Dir(strings.Trim(name, "/"))); err != nil {
		return place{}, err
	}
	return w.at, nil
}

// lookup finds what name leads to, through links; nil when there is nothing.
// The path is the one without links.
func (t *tree) lookup(name string) (*node, string) {
	at, err := t.find(name)
	if err != nil {
		return nil, ""
	}
	return at.dir(), strings.Join(at.names, "/")
}

// find is lookup with the directories on the way.
func (t *tree) find(name string) (place, error) {
	w := walker{t: t, at: place{nodes: []*node{t.root}}}
	err := w.follow(name)
	return w.at, err
}

// at finds what is at a path, through no link.
func (t *tree) at(name string) *node {
	n := t.root
	for part := range strings.SplitSeq(name, "/") {
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

// errMissing is for a path that leads nowhere.
var errMissing = problem.New("", "no such file")

// follow walks along name from where the walker is.
func (w *walker) follow(name string) error {
	if strings.HasPrefix(name, "/") {
		w.at = place{nodes: w.at.nodes[:1]}
	}
	for part := range strings.SplitSeq(name, "/") {
		if w.hops > 0 {
			// Only links make a path longer than it is.
			if err := w.t.budget.takeVisit(); err != nil {
				return err
			}
		}
		if err := w.step(part); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) step(part string) error {
	switch part {
	case "", ".":
		return nil
	case "..":
		if len(w.at.names) > 0 {
			w.at.nodes, w.at.names = w.at.nodes[:len(w.at.nodes)-1], w.at.names[:len(w.at.names)-1]
		}
		return nil
	}
	next := w.at.dir().children[part]
	if next != nil && next.kind == symlink {
		if w.hops++; w.hops > maxHops {
			return problem.New(damagedHint, "the path goes through more than %d links", maxHops)
		}
		return w.follow(next.target)
	}
	if next == nil || w.create && next.kind != directory {
		if !w.create {
			return errMissing
		}
		if err := w.t.budget.takeEntries(1); err != nil {
			return err
		}
		next = newDirectory()
		w.at.dir().children[part] = next
	}
	if len(w.at.names) >= maxDepth {
		return problem.New(damagedHint, "the path is more than %d directories deep", maxDepth)
	}
	w.at.nodes, w.at.names = append(w.at.nodes, next), append(w.at.names, part)
	return nil
}

// put sets name in the place. A directory over a directory keeps what is in it.
func (t *tree) put(at place, name string, n *node) {
	for _, dir := range at.nodes {
		dir.touched = n.layer
	}
	n.touched = n.layer
	old := at.dir().children[name]
	if n.kind == directory {
		if old != nil && old.kind == directory {
			n.children = old.children
		} else {
			n.children = map[string]*node{}
		}
	}
	at.dir().children[name] = n
}

// remove carries out a whiteout of a layer: what the layer itself has stays.
func (t *tree) remove(at place, name string, layer int) error {
	old := at.dir().children[name]
	switch {
	case old == nil:
		return nil
	case old.touched != layer:
		delete(at.dir().children, name)
		return nil
	case old.kind == directory:
		return t.clear(old, layer)
	}
	return nil
}

// clear removes what lower layers have put into a directory.
func (t *tree) clear(dir *node, layer int) error {
	for name, child := range dir.children {
		if err := t.budget.takeVisit(); err != nil {
			return err
		}
		if child.touched != layer {
			delete(dir.children, name)
		} else if child.kind == directory {
			if err := t.clear(child, layer); err != nil {
				return err
			}
		}
	}
	return nil
}
