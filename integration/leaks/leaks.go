// Package leaks finds what a run has left behind on the host: mounts, control
// groups, network links, nftables, namespaces, processes, records, open files
// and changed kernel settings.
//
//	before := leaks.Take()
//	... run something ...
//	for _, left := range before.Left() { ... }
package leaks

import (
	"fmt"
	"sort"
	"time"
)

// Patience is how long Check waits for what is still being cleaned up: the
// warden of a launcher that was killed works after the launcher's end.
const Patience = 10 * time.Second

// State is what there is on the host at one moment: by kind, each thing and its
// value. Things without a value of their own have the empty one.
type State map[string]map[string]string

// collectors give the things of each kind. An error is a thing too: what cannot
// be read twice in the same way is reported.
var collectors = map[string]func() (map[string]string, error){
	"mount":           mounts,
	"cgroup":          cgroups,
	"network link":    links,
	"nftables":        tables,
	"named namespace": namespaces,
	"process":         processes,
	"record":          records,
	"open file":       descriptors,
	"sysctl":          sysctls,
}

// transient are the kinds of which things may go by themselves.
var transient = map[string]bool{"mount": true, "process": true, "open file": true, "record": true, "cgroup": true}

// Take looks at everything.
func Take() State {
	state := State{}
	for kind, collect := range collectors {
		things, err := collect()
		if err != nil {
			things = map[string]string{"could not be read: " + err.Error(): ""}
		}
		state[kind] = things
	}
	return state
}

// Left compares with the present, and gives one line for each thing that is
// new, has changed, or was taken away. Nothing left gives nil.
func (before State) Left() []string { return before.diff(Take()) }

func (before State) diff(after State) []string {
	var lines []string
	for kind, things := range after {
		for name, value := range things {
			old, existed := before[kind][name]
			switch {
			case !existed:
				lines = append(lines, fmt.Sprintf("%s left behind: %s %s", kind, name, value))
			case old != value:
				lines = append(lines, fmt.Sprintf("%s changed: %s is %s, was %s", kind, name, value, old))
			}
		}
	}
	for kind, things := range before {
		if transient[kind] {
			continue
		}
		for name, value := range things {
			if _, still := after[kind][name]; !still {
				lines = append(lines, fmt.Sprintf("%s gone: %s %s", kind, name, value))
			}
		}
	}
	sort.Strings(lines)
	return lines
}

// Settled waits until nothing is left or the time is over, and gives what is
// left then.
func (before State) Settled(patience time.Duration) []string {
	deadline := time.Now().Add(patience)
	for {
		left := before.Left()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TB is the part of testing.TB that Check needs.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
}

// Check fails the test for each thing that it leaves behind. Call it first, so
// that it looks after every other clean-up of the test.
func Check(t TB) {
	t.Helper()
	before := Take()
	t.Cleanup(func() {
		t.Helper()
		for _, left := range before.Settled(Patience) {
			t.Errorf("%s", left)
		}
	})
}
