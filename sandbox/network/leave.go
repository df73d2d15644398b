package network

import (
	"context"
	"errors"
)

// idleName is a record without content: no sandbox is left since it was written,
// and what they share is still there.
const idleName = "idle"

// Idle is the path of the file that is there while nobody uses what the sandboxes
// of state share. Each time that falls idle it is another file.
func Idle(state string) string { return state + "/network/" + idleName }

// Rest is what Leave left for others to do.
type Rest struct {
	// Files are open; who closes them waits for the kernel.
	Files []int
	// Idle says that it was the last sandbox. Somebody is to call Settle.
	Idle bool
}

// Leave is Detach for a sandbox without processes, by one who does not want to
// wait. What the sandbox could reach, and what could reach it, is closed when it
// returns, and its addresses and ports are free. Its interface is left to the
// kernel, which removes it with the namespace, and says nothing until then, should
// somebody else have a socket of that namespace; and when it was the last, what
// sandboxes share is left to Settle: the next may come soon, and the kernel takes
// longer to make and remove a bridge than to start a sandbox.
func (a *Attachment) Leave() (Rest, error) {
	if a.id == "" {
		return Rest{}, nil
	}
	s, err := openHost(context.Background(), a.state)
	if err != nil {
		return Rest{}, err
	}
	defer s.close()
	s.kept = &a.kept
	idle, err := s.leave(a.id)
	return Rest{Files: a.kept.take(), Idle: idle}, err
}

func (h *host) leave(id string) (idle bool, err error) {
	rec, found, _ := h.load(id)
	if !found {
		return false, h.remove(id)
	}
	// What is left of a sandbox that is on no record is nobody's to remove, and
	// the last of them would leave all that sandboxes share.
	if err := h.removeTraces(rec); err != nil {
		return false, err
	}
	if err := h.forget(id); err != nil {
		return false, err
	}
	ids, err := h.ids()
	if err != nil || len(ids) > 0 {
		return false, err
	}
	return true, errors.Join(h.unlink(idleName), h.write(idleName, struct{}{}))
}

// Settle removes what sandboxes share, and interfaces that were left, if there
// is no sandbox. It may be called at any time.
func Settle(state string) error {
	s, err := openHost(context.Background(), state)
	if err != nil {
		return err
	}
	defer s.close()
	ids, err := s.ids()
	if err != nil || len(ids) > 0 {
		return err
	}
	return errors.Join(s.removeOrphans(), s.teardown())
}
