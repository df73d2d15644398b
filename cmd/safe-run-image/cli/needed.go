package cli

import (
	"slices"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// needs are the containers that an image must stay for, by its digest: those
// that run, and those that can be started again.
type needs map[string][]ledger.Listed

func readNeeds() (needs, error) {
	all, err := ledger.Look("")
	if err != nil {
		return nil, problem.New("mend it, or name another with SAFE_RUN_LEDGER", "which containers need an image cannot be read: %w", err)
	}
	n := needs{}
	for _, c := range all {
		if c.ImageDigest != "" {
			n[c.ImageDigest] = append(n[c.ImageDigest], c)
		}
	}
	return n, nil
}

// has says whether a container needs the image.
func (n needs) has(digest string) bool { return len(n[digest]) > 0 }

// refuse is the error for an image that is needed, called name; nil when it is
// not. Where records are given, it is about containers that were made from one
// of those references: they are started by it.
func (n needs) refuse(l *library, m match, name string, records []*image.Record) error {
	for _, c := range n[m.digest] {
		if records != nil && !l.madeFrom(c.Image, records) {
			continue
		}
		return problem.New("remove it first: safe-run rm "+c.Name+"; or write -f, and it cannot be started any more",
			"the image %s is needed by the container %s (%.12s), which is %s", name, printable(c.Name), c.ID, c.State.Status)
	}
	return nil
}

// madeFrom says whether a reference means one of the records.
func (l *library) madeFrom(reference string, records []*image.Record) bool {
	ref, err := image.Parse(reference)
	if err != nil {
		return false
	}
	return slices.Contains(records, l.record(ref))
}
