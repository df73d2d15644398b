package audit

import (
	"bytes"
	"errors"
	"io"
	"path"
	"strings"
)

const (
	// maxFile bounds what is read of one file in bytes, and maxContent of all
	// files that are searched for secrets.
	maxFile    = 1 << 20
	maxContent = 256 << 20
	// maxSpecial bounds what is read of the files that are known by their
	// names, so that others before them do not use it up.
	maxSpecial = 32 << 20
	// maxText bounds what is kept of the files that checks read.
	maxText = 8 << 20
	// sniff is how much of a file says whether it is text.
	sniff = 8000
	// maxHits bounds the files with secrets that are kept.
	maxHits = 10_000
)

// contents reads files as the layers go by, and keeps what was found.
type contents struct {
	buffer        []byte
	left, special int64 // of the bounds
	textLeft      int64
	hits          []hit
	droppedHits   int

	// What was not searched.
	binaries, cut, unread struct {
		files int
		bytes int64
	}
}

// hit is a file of a layer that holds secrets.
type hit struct {
	path    string
	layer   int
	node    *node
	secrets []secret
}

func newContents() *contents {
	return &contents{buffer: make([]byte, maxFile), left: maxContent, special: maxSpecial, textLeft: maxText}
}

// read looks into a regular file. size is what the header says; no more than
// what is there is read.
func (c *contents) read(name string, n *node, size int64, r io.Reader) error {
	if size <= 0 {
		return nil
	}
	left := &c.left
	if isSpecial(name) {
		left = &c.special
	}
	if *left <= 0 {
		c.unread.files++
		c.unread.bytes += size
		return nil
	}
	b, err := c.fill(min(size, sniff, *left), 0, r)
	if err != nil {
		return err
	}
	if bytes.IndexByte(b, 0) >= 0 {
		*left -= int64(len(b))
		c.binaries.files++
		c.binaries.bytes += size
		return nil
	}
	if b, err = c.fill(min(size, maxFile, *left), len(b), r); err != nil {
		return err
	}
	*left -= int64(len(b))
	whole := int64(len(b)) == size
	if !whole {
		c.cut.files++
		c.cut.bytes += size - int64(len(b))
	}
	if whole && isText(name) && size <= c.textLeft {
		c.textLeft -= size
		n.text = bytes.Clone(b)
	}
	c.search(name, n, b)
	return nil
}

// fill reads up to n bytes, of which have are in the buffer.
func (c *contents) fill(n int64, have int, r io.Reader) ([]byte, error) {
	got, err := io.ReadFull(r, c.buffer[have:max(int(n), have)])
	if errors.Is(err, io.EOF) {
		err = nil // all of it was there
	}
	return c.buffer[:have+got], err
}

func (c *contents) search(name string, n *node, b []byte) {
	found := secretsOf(name, b)
	if len(found) == 0 {
		return
	}
	if len(c.hits) >= maxHits {
		c.droppedHits++
		return
	}
	c.hits = append(c.hits, hit{path: name, layer: n.layer, node: n, secrets: found})
}

// isText is true for what checks read: the accounts and the release.
func isText(name string) bool {
	switch name {
	case "etc/passwd", "etc/shadow":
		return true
	}
	return strings.HasSuffix(path.Base(name), "os-release")
}

// isSpecial is true for what is read even when there is much else.
func isSpecial(name string) bool {
	return isText(name) || credentialFile(name) != nil || strings.HasPrefix(path.Base(name), "id_") ||
		strings.HasSuffix(name, ".pem") || strings.HasSuffix(name, ".key")
}
