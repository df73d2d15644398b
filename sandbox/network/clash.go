package network

import (
	"errors"

	"golang.org/x/sys/unix"
)

// gone says that a batch failed for there being no tables, so that there is
// nothing to remove.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) }

// taken says that a batch failed for an address or port that is another
// sandbox's.
func taken(err error) bool { return errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY) }

// removeClashing removes the sandboxes on record whose slot or host ports rec
// takes. A slot is given away again only when its sandbox is dead, and a port
// is reserved while it is alive: these have left their records.
func (h *host) removeClashing(rec record) error {
	recs, err := h.records()
	if err != nil {
		return err
	}
	for _, r := range recs {
		if r.ID != rec.ID && clash(r, rec) {
			if err := h.remove(r.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func clash(a, b record) bool {
	if a.Address == b.Address {
		return true
	}
	for _, p := range a.Network.Publish {
		for _, q := range b.Network.Publish {
			if p.HostPort == q.HostPort && p.Protocol == q.Protocol && hostIP(p) == hostIP(q) {
				return true
			}
		}
	}
	return false
}
