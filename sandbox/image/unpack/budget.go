package unpack

import (
	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// Budget is what the layers of an image have used up of its limits.
type Budget struct {
	limits  bounds.Limits
	entries int64
	bytes   int64
	names   int64
	visits  int64
	stream  int64 // bytes of tar, contents included
}

// NewBudget has used nothing.
func NewBudget(limits bounds.Limits) *Budget { return &Budget{limits: limits} }

func (b *Budget) takeEntries(n int64) error {
	if b.entries += n; b.entries > b.limits.Entries {
		return bounds.Over("--max-entries", "more than %d files", b.limits.Entries)
	}
	return nil
}

func (b *Budget) takeBytes(n int64) error {
	// n is a size from a header: it may be anything up to 2^63-1.
	if n < 0 || n > b.limits.Bytes-b.bytes {
		return bounds.Over("--max-bytes", "more than %s of files", bounds.Size(b.limits.Bytes))
	}
	b.bytes += n
	return nil
}

func (b *Budget) takeNames(n int) error {
	if b.names += int64(n); b.names > b.limits.Names {
		return bounds.Over("", "more than %s of file names and attributes", bounds.Size(b.limits.Names))
	}
	return nil
}

// takeVisit bounds the work that opaque directories cause: all that the lower
// layers have in each is looked at.
func (b *Budget) takeVisit() error {
	if b.visits++; b.visits > 8*b.limits.Entries {
		return bounds.Over("--max-entries", "too many whiteouts (more than %d files to look at)", 8*b.limits.Entries)
	}
	return nil
}
