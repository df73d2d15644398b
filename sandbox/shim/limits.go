package shim

import (
	"fmt"
	"time"

	"github.com/safe-run/safe-run/spec/event"
)

// countLimits tells of what the limits of a container refuse: when memory runs out,
// and at the end, because nobody says when a process is one too many.
func (s *Service) countLimits(t *task) {
	t.limits = s.count(t.who, t.dir, func() []event.Denial {
		t.mu.Lock()
		container := t.container
		t.mu.Unlock()
		if container == nil {
			return nil
		}
		used := container.Usage()
		l := event.Limits{OOMKills: used.OOMKills, PidsDenied: used.PidsDenied}
		if r := t.met.Limits; r != nil {
			if r.Memory != nil && r.Memory.Limit != nil && *r.Memory.Limit > 0 {
				l.Memory = fmt.Sprintf("%dMiB", *r.Memory.Limit>>19) // twice as much
			}
			if r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit > 0 {
				l.Pids = 2 * *r.Pids.Limit
			}
		}
		return l.Denials(time.Now().UTC())
	})
}
