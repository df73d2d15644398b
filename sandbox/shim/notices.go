package shim

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/containerd/log"

	"github.com/safe-run/safe-run/spec/event"
)

// notices passes on what was refused, to the three places where it is looked
// for.
type notices struct {
	tell tell

	mu     sync.Mutex
	files  map[string]*podFile
	budget budget
	unsaid int // those that events and log were spared of
}

func newNotices(t tell) *notices {
	return &notices{tell: t, files: map[string]*podFile{}, budget: budget{left: burst}}
}

// add tells of some; dir is where the files of pods are. What cannot be written
// is told all the same.
func (n *notices) add(dir func() string, list ...notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range list {
		one.Time = time.Now().UTC()
		one.Message, one.Hint = bounded(one.Message, maxLine), bounded(one.Hint, maxLine) // of errors, with what a bundle says
		if err := n.write(dir, one); err != nil {
			log.L.WithError(err).Warn("what was refused cannot be written down")
		}
		if one.Denial != nil && one.Denial.Harmless {
			continue // programs try it and go on without: who looks for it finds it in the file
		}
		if !n.budget.spend(one.Time, one.severity()) {
			n.unsaid++
			continue
		}
		entry := log.L.WithField("id", one.ID)
		for name, value := range map[string]string{"pod": one.PodName, "podNamespace": one.PodNamespace, "container": one.Container, "profile": one.Profile, "hint": one.Hint} {
			if value != "" {
				entry = entry.WithField(name, value)
			}
		}
		if n.unsaid > 0 {
			entry = entry.WithField("unsaid", n.unsaid)
			n.unsaid = 0
		}
		entry.WithField("what", one.What).Warn(one.Message)
		n.tell(one.event())
	}
}

// write adds a line to the file of the pod.
func (n *notices) write(dir func() string, one notice) error {
	key := one.group()
	file := n.files[key]
	if file == nil {
		file = &podFile{}
		n.files[key] = file
		if err := file.open(dir(), one.subject); err != nil {
			return err // and no more of this pod
		}
	}
	line, err := json.Marshal(one)
	if err != nil {
		return err
	}
	return file.add(append(line, '\n'))
}

// The budget of events and lines of the log: who floods them would hide what
// others write there.
const (
	burst     = 60
	perSecond = 0.5
)

// budget is a bucket that fills with time.
type budget struct {
	left float64
	last time.Time
}

// spend says whether there is room for one more; for what harmless programs do
// only while there is plenty.
func (b *budget) spend(now time.Time, s event.Severity) bool {
	if !b.last.IsZero() {
		b.left = min(burst, b.left+max(0, now.Sub(b.last).Seconds())*perSecond)
	}
	b.last = now
	if b.left < 1 || s == event.Low && b.left < burst/2 {
		return false
	}
	b.left--
	return true
}
