package shim

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/safe-run/safe-run/spec/event"
)

// counted are denials of one container that somebody counts: told the first time
// at once, again when there were ten times as many, and in all at the end.
type counted struct {
	notices *notices
	roused  func()        // something is to be done: memory is given back after it
	dir     func() string // of the pods' files
	who     subject
	more    string                // to add to hints
	list    func() []event.Denial // so far

	mu    sync.Mutex
	told  map[string]uint64
	timer *time.Timer // until it is told of what is new; nil when nothing is
	due   time.Time
	last  time.Time // of the last telling
	lines int
	over  bool
}

func (s *Service) count(who subject, dir func() string, list func() []event.Denial) *counted {
	return &counted{notices: s.notices, roused: s.work, dir: dir, who: who, list: list, told: map[string]uint64{}}
}

// When what is new is told.
const (
	newAfter  = 50 * time.Millisecond
	pause     = time.Second // between two tellings
	moreAfter = 30 * time.Second
	tenfold   = 10
)

// maxLines is how many notices of one container are written before the rest is
// counted only: it must not push those of others out of the file.
const maxLines = 300

// soon tells what is new a moment later, once for all that comes until then.
func (c *counted) soon(after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	due := now.Add(after)
	if soonest := c.last.Add(pause); due.Before(soonest) {
		due = soonest
	}
	if c.over || c.timer != nil && !due.Before(c.due) {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.due = due
	c.timer = time.AfterFunc(due.Sub(now), func() { c.flush(false) })
}

// flush tells what is new; in the end, all that was not told yet.
func (c *counted) flush(end bool) {
	c.roused()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.timer, c.last, c.over = nil, time.Now(), end
	var list []notice
	left := 0
	for _, denial := range c.list() {
		key := keyOf(denial)
		was := c.told[key]
		if was == denial.Count || was > 0 && !end && denial.Count < tenfold*was {
			continue
		}
		if c.lines >= maxLines {
			left++
			continue
		}
		c.lines++
		c.told[key] = denial.Count
		list = append(list, c.who.denied(denial, c.more))
	}
	if end && left > 0 {
		one := notice{What: noticeDenied, subject: c.who, Message: fmt.Sprintf("%d kinds of denials more, or more of them, than are told of", left)}
		list = append(list, one)
	}
	c.notices.add(c.dir, list...)
}

// keyOf tells kinds of denials apart.
func keyOf(d event.Denial) string {
	return strings.Join(append([]string{d.Control, d.Syscall, d.Process, string(d.Severity), d.Meaning, d.Call()}, d.Arguments...), "\x00")
}
