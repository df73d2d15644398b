package audit

import (
	"context"
	"io"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// budget is what is left of the limits.
type budget struct {
	limits  bounds.Limits
	entries int64
	names   int64
	visits  int64
	stream  int64
}

func (b *budget) takeEntries(n int64) error {
	if b.entries += n; b.entries > b.limits.Entries {
		return bounds.Over("--max-entries", "more than %d files", b.limits.Entries)
	}
	return nil
}

func (b *budget) takeNames(n int) error {
	if b.names += int64(n); b.names > b.limits.Names {
		return bounds.Over("", "more than %s of file names and attributes", bounds.Size(b.limits.Names))
	}
	return nil
}

// takeVisit bounds the work that whiteouts and links cause.
func (b *budget) takeVisit() error {
	b.visits++
	return b.spent()
}

func (b *budget) spent() error {
	if b.visits > 8*b.limits.Entries {
		return bounds.Over("--max-entries", "too many whiteouts and links (more than %d files to look at)", 8*b.limits.Entries)
	}
	return nil
}

// tarOverhead is what headers and padding cost an entry in a tar.
const tarOverhead = 2048

// bounded charges what is read to the budget and stops when ctx is done.
type bounded struct {
	ctx    context.Context
	r      io.Reader
	budget *budget
}

// Read implements io.Reader. The stream is bounded, not the sizes in its
// headers: those of sparse files may say anything, and nothing is kept of them.
func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	b.budget.stream += int64(n)
	if b.budget.stream > b.budget.limits.Bytes+b.budget.limits.Entries*tarOverhead {
		return n, bounds.Over("--max-bytes", "more than %s in its layers", bounds.Size(b.budget.limits.Bytes))
	}
	return n, err
}
