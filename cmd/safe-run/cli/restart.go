package cli

import (
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
)

// The restart policies, as docker calls them.
const (
	restartNo            = "no"
	restartOnFailure     = "on-failure"
	restartAlways        = "always"
	restartUnlessStopped = "unless-stopped"
)

// again says whether a container that has ended with code is started again.
// stopped says that a person ended it, restarts how often it was started again.
func again(r ledger.Restart, code int, stopped bool, restarts int) bool {
	switch {
	case stopped:
		return false
	case r.Policy == restartAlways, r.Policy == restartUnlessStopped:
		return true
	case r.Policy == restartOnFailure:
		return code != 0 && (r.Max == 0 || restarts < r.Max)
	}
	return false
}

// The pauses before a restart: each is twice the one before it, until a
// container has run for a while.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = time.Minute
	goodWhile  = 10 * time.Second
)

// backOff is the next pause.
type backOff struct{ next time.Duration }

// pause gives the time to wait after a container that ran for so long.
func (b *backOff) pause(ran time.Duration) time.Duration {
	if b.next == 0 || ran >= goodWhile {
		b.next = firstPause
	}
	pause := b.next
	b.next = min(2*b.next, maxPause)
	return pause
}
