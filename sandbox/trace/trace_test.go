package trace

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec/event"
)

// teller calls every call by its number and first argument.
type teller struct{}

func (teller) Answer(int, [6]uint64) uint { return 1 }

func (teller) Denial(number int, args [6]uint64) event.Denial {
	d := event.Denial{Syscall: fmt.Sprint(number), Arguments: []string{fmt.Sprint(args[0])}, Severity: event.Low}
	if number == 9 {
		d.Severity = event.High
	}
	return d
}

func call(number, argument int) event.Denial {
	return teller{}.Denial(number, [6]uint64{uint64(argument)})
}

func TestTally(t *testing.T) {
	tally := NewTally(teller{})
	var told []string
	again := 0
	tally.New = func(d event.Denial) { told = append(told, d.Syscall+" "+d.Process) }
	tally.More = func(event.Denial) { again++ }
	for range 3 {
		tally.count(call(1, 0), process{"a", 10, 11})
	}
	tally.count(call(1, 0), process{"b", 12, 12})
	tally.count(call(9, 0), process{"a", 10, 10})
	if want := []string{"1 a", "1 b", "9 a"}; !slices.Equal(told, want) || again != 2 {
		t.Errorf("told %q and %d more, want %q and 2", told, again, want)
	}
	list := tally.Denials()
	if len(list) != 3 || list[0].Syscall != "9" || list[1].Count != 3 || list[1].Process != "a" || list[1].Pid != 10 || list[1].Tid != 11 {
		t.Errorf("%+v", list)
	}
	if list[1].Last.Before(list[1].First) {
		t.Error("the last was before the first")
	}
}

// TestTallyIsBounded: who makes up names and arguments fills no memory, and
// nothing goes uncounted.
func TestTallyIsBounded(t *testing.T) {
	tally := NewTally(teller{})
	const calls = 10 * maxKinds
	for i := range calls {
		tally.count(call(i%7, i), process{fmt.Sprint(i), i, i})
	}
	list := tally.Denials()
	if len(list) > maxKinds+7 {
		t.Errorf("%d kinds, at most %d and one for each call are told apart", len(list), maxKinds)
	}
	var total uint64
	for _, d := range list {
		total += d.Count
	}
	if total != calls {
		t.Errorf("%d of %d calls were counted", total, calls)
	}
}

// TestGraveIsNotHidden: one who makes up kinds until there is no more room cannot
// have a grave call counted as a light one, of which nobody is told.
func TestGraveIsNotHidden(t *testing.T) {
	tally := NewTally(teller{})
	var told []event.Severity
	tally.New = func(d event.Denial) { told = append(told, d.Severity) }
	for i := range maxKinds + 10 {
		tally.count(call(1, i), process{fmt.Sprint(i), i, i})
	}
	told = nil
	grave := call(1, 0)
	grave.Severity = event.High
	tally.count(grave, process{"x", 1, 1})
	if !slices.Equal(told, []event.Severity{event.High}) {
		t.Errorf("told of %v", told)
	}
}

// TestPace: a burst goes through, and then no more than so many a second.
func TestPace(t *testing.T) {
	now := time.Unix(0, 0)
	p := &pace{now: func() time.Time { return now }, sleep: func(d time.Duration) { now = now.Add(d) }, left: burst, last: now}
	for range burst {
		p.wait(1)
	}
	if !now.Equal(time.Unix(0, 0)) {
		t.Errorf("a burst took %v", now.Sub(time.Unix(0, 0)))
	}
	const more = 10 * perSecond
	for range more {
		p.wait(1)
	}
	if took := now.Sub(time.Unix(0, 0)); took < 9*time.Second || took > 11*time.Second {
		t.Errorf("%d answers took %v, want 10s", more, took)
	}
	now = now.Add(time.Hour)
	p.fill()
	if p.left != burst {
		t.Errorf("after a rest there are %v answers, want %d", p.left, burst)
	}
}

// TestPaceOfLightOnes: what is refused lightly costs little at first, and in the
// long run as much as anything.
func TestPaceOfLightOnes(t *testing.T) {
	now := time.Unix(0, 0)
	p := &pace{now: func() time.Time { return now }, sleep: func(d time.Duration) { now = now.Add(d) }, left: burst, last: now}
	cost := costs[event.Low]
	for range 3 * burst {
		p.wait(cost)
	}
	if !now.Equal(time.Unix(0, 0)) {
		t.Errorf("a burst took %v", now.Sub(time.Unix(0, 0)))
	}
	for range 10 * perSecond {
		p.wait(cost)
	}
	if took := now.Sub(time.Unix(0, 0)); took < 9*time.Second {
		t.Errorf("%d answers took %v, want 10s", 10*perSecond, took)
	}
}

func TestThreadGroup(t *testing.T) {
	for text, want := range map[string]int{
		"Name:\ta\nUmask:\t0022\nTgid:\t12\nNgid:\t0\n": 12,
		"Name:\tTgid:\\n7\nTgid:\t12\n":                 12,
		"":                                              0,
		"Tgid:\n":                                       0,
		"Tgid:\tx\n":                                    0,
	} {
		if got, ok := threadGroup([]byte(text)); got != want || ok != (want != 0) {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
}

func FuzzThreadGroup(f *testing.F) {
	f.Add([]byte("Name:\tx\nTgid:\t12\n"))
	f.Add([]byte("Tgid:\t99999999999999999999\n"))
	f.Fuzz(func(t *testing.T, status []byte) {
		if pid, ok := threadGroup(status); !ok && pid != 0 {
			t.Errorf("%d without being sure", pid)
		}
	})
}
