package audit

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// The names that remove what a lower layer has (OCI image spec, layer.md).
const (
	whiteoutPrefix = ".wh."
	whiteoutMeta   = ".wh..wh." // aufs's own files
	whiteoutOpaque = ".wh..wh..opq"
)

const damagedHint = "the image is damaged or hostile; build it again from a source you trust"

// scan is what the layers hold.
type scan struct {
	tree     *tree
	contents *contents
}

// text gives a small file of the merged image that checks read.
func (s *scan) text(name string) []byte {
	if n, _ := s.tree.lookup(name); n != nil {
		return n.text
	}
	return nil
}

func scanLayers(ctx context.Context, in Input) (*scan, error) {
	b := &budget{limits: in.Limits}
	s := &scan{tree: newTree(b), contents: newContents()}
	for i, open := range in.Layers {
		if err := s.layer(ctx, i+1, open); err != nil {
			if problem.HintOf(err) != "" || ctx.Err() != nil {
				return nil, err
			}
			return nil, problem.New(damagedHint, "layer %d cannot be read: %w", i+1, err)
		}
	}
	return s, nil
}

// layer applies a tar over the tree.
func (s *scan) layer(ctx context.Context, number int, open func() (io.ReadCloser, error)) error {
	if open == nil {
		return errors.New("it cannot be opened")
	}
	content, err := open()
	if err != nil {
		return err
	}
	defer content.Close()
	r := tar.NewReader(&bounded{ctx: ctx, r: content, budget: s.tree.budget})
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.entry(number, h, r); err != nil {
			return err
		}
	}
}

// entry applies one entry.
func (s *scan) entry(layer int, h *tar.Header, content io.Reader) error {
	b := s.tree.budget
	if err := b.takeEntries(1); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name := strings.Trim(path.Clean(h.Name), "/")
	if skip, err := checkEntry(name, h); skip || err != nil {
		return err
	}
	caps := capabilityOf(h)
	if err := b.takeNames(len(h.Name) + len(h.Linkname) + len(caps)); err != nil {
		return err
	}
	if name == "." || name == "" {
		setAttributes(s.tree.root, layer, h)
		return nil
	}
	at, err := s.tree.parent(name)
	if err != nil {
		return odd(h.Name, "cannot be placed: %w", err)
	}
	base := path.Base(name)
	switch {
	case base == whiteoutOpaque:
		return s.tree.clear(at.dir(), layer)
	case strings.HasPrefix(base, whiteoutMeta):
		return nil
	case strings.HasPrefix(base, whiteoutPrefix):
		return s.tree.remove(at, strings.TrimPrefix(base, whiteoutPrefix), layer)
	}
	n := &node{kind: kindOf(h.Typeflag), caps: caps, target: h.Linkname}
	setAttributes(n, layer, h)
	if h.Typeflag == tar.TypeLink {
		return s.link(at, base, n)
	}
	if n.kind == regular {
		if err := s.contents.read(at.path(base), n, h.Size, content); err != nil {
			return err
		}
	}
	s.tree.put(at, base, n)
	return nil
}

// kindOf is what an entry of a type makes.
func kindOf(typeflag byte) kind {
	switch typeflag {
	case tar.TypeDir:
		return directory
	case tar.TypeSymlink:
		return symlink
	case tar.TypeFifo:
		return other
	}
	return regular
}

// link makes a hard link: a file with the content of another, and with the
// bits that either entry has.
func (s *scan) link(at place, base string, n *node) error {
	from, err := s.tree.parent(strings.Trim(path.Clean("/"+n.target), "/"))
	if err != nil {
		return odd(at.path(base), "cannot be linked: %w", err)
	}
	old := from.dir().children[path.Base(path.Clean("/"+n.target))]
	if old == nil || old.kind == directory {
		return odd(at.path(base), "is a link to %q, which is no file of the image", clip(n.target, 128))
	}
	n.kind, n.target, n.text = old.kind, old.target, old.text
	n.mode |= old.mode & (setuid | setgid)
	if n.caps == "" {
		n.caps = old.caps
	}
	s.tree.put(at, base, n)
	return nil
}

func setAttributes(n *node, layer int, h *tar.Header) {
	n.layer, n.mode, n.uid, n.gid = layer, uint16(h.Mode&0o7777), h.Uid, h.Gid
}

// checkEntry refuses what the unpacker refuses, and skips what it skips.
func checkEntry(name string, h *tar.Header) (skip bool, err error) {
	if err := checkPath(h.Name, "path", h.Name); err != nil {
		return false, err
	}
	for dir := range strings.SplitSeq(path.Dir(name), "/") {
		switch {
		case strings.HasPrefix(dir, whiteoutMeta):
			return true, nil
		case strings.HasPrefix(dir, whiteoutPrefix):
			return false, odd(h.Name, "is in a directory that is a whiteout")
		}
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont, tar.TypeDir, tar.TypeFifo:
	case tar.TypeLink:
		err = checkPath(h.Name, "hard link", h.Linkname)
	case tar.TypeSymlink:
		if len(h.Linkname) > bounds.Path {
			err = odd(h.Name, "links to a path of %d bytes; at most %d are read", len(h.Linkname), bounds.Path)
		}
	case tar.TypeChar, tar.TypeBlock:
		return true, nil
	default:
		err = odd(h.Name, "is of an unknown type %q", h.Typeflag)
	}
	if err == nil && (h.Uid < 0 || h.Uid > bounds.ID || h.Gid < 0 || h.Gid > bounds.ID) {
		err = odd(h.Name, "belongs to %d:%d; a container has the ids 0 to %d", h.Uid, h.Gid, bounds.ID)
	}
	return false, err
}

func checkPath(entry, what, name string) error {
	clean := path.Clean(name)
	switch {
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return odd(entry, "has a %s that leads out of the image", what)
	case len(name) > bounds.Path:
		return odd(entry, "has a %s of %d bytes; at most %d are read", what, len(name), bounds.Path)
	case slices.ContainsFunc(strings.Split(clean, "/"), func(part string) bool { return len(part) > bounds.Name }):
		return odd(entry, "has a name of more than %d bytes", bounds.Name)
	case strings.ContainsRune(name, 0):
		return odd(entry, "has a NUL character in its %s", what)
	}
	return nil
}

// odd is the error of an entry that is refused.
func odd(name, format string, args ...any) error {
	return problem.New(damagedHint, "its file %q "+format, append([]any{clip(name, 128)}, args...)...)
}

// capabilityOf finds the file capabilities of an entry, as GNU tar and
// containerd write them, and as libarchive does.
func capabilityOf(h *tar.Header) string {
	const attribute = "security.capability"
	if value := h.PAXRecords["SCHILY.xattr."+attribute]; value != "" {
		return clip(value, maxCaps)
	}
	if value, err := base64.StdEncoding.DecodeString(h.PAXRecords["LIBARCHIVE.xattr."+attribute]); err == nil {
		return clip(string(value), maxCaps)
	}
	return ""
}

// maxCaps bounds what is kept of the attribute in bytes: twice its largest form.
const maxCaps = 48
