package trace

import (
	"sync"
	"time"

	"github.com/safe-run/safe-run/spec/event"
)

// An answer costs the host some 20 microseconds, and whoever is refused waits
// for it. A flood is answered no faster than this, which makes it cheap: the
// flooder sleeps.
const (
	perSecond = 2000
	burst     = 500
)

// costs are what an answer takes out of the bucket while it is more than half
// full. What ordinary programs try with each of many files, such as chown, must
// not make them slow; who goes on pays in full, because an answer costs the host
// the same whatever is refused, and no limit of the container counts it.
var costs = map[event.Severity]float64{event.Low: 0.2, event.Medium: 1, event.High: 1}

// pace is a bucket of answers that fills with time.
type pace struct {
	mu    sync.Mutex
	now   func() time.Time
	sleep func(time.Duration)
	left  float64
	last  time.Time
}

func newPace() *pace {
	return &pace{now: time.Now, sleep: time.Sleep, left: burst, last: time.Now()}
}

// wait returns when there is an answer to give.
func (p *pace) wait(cost float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill()
	if p.left < burst/2 {
		cost = 1
	}
	if p.left < cost {
		// Enough for many: a short sleep takes longer than it should.
		p.sleep(20 * time.Millisecond)
		p.fill()
	}
	p.left -= cost
}

func (p *pace) fill() {
	now := p.now()
	p.left = min(burst, p.left+now.Sub(p.last).Seconds()*perSecond)
	p.last = now
}
