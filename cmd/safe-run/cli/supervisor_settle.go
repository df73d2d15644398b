package cli

import (
	"sync"
	"time"

	"github.com/safe-run/safe-run/sandbox/slim"
)

// How long a supervisor does nothing, after its container's start and after a
// later burst of work, before it gives back what the work took. A container that
// runs shorter need not wait for it, and one that writes a line now and then must
// not make its supervisor do so each time.
const (
	settledAfter = time.Second
	quietAfter   = 30 * time.Second
)

// settler gives back the memory of work that is over.
type settler struct {
	mu    sync.Mutex
	timer *time.Timer // nil when there is nothing to give back
}

// work says that there is work.
func (s *settler) work() { s.after(quietAfter) }

// after says that there is work, and that it will be over in a while.
func (s *settler) after(while time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		if while < quietAfter {
			s.timer.Reset(while)
		}
		return
	}
	slim.Rouse()
	s.timer = time.AfterFunc(while, s.settle)
}

func (s *settler) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer = nil
		slim.Slim()
	}
}

// rouse says that a container begins or ends, which is followed by after, or by
// the end of the process.
func (s *settler) rouse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	slim.Rouse()
}
