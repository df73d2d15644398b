package shim

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/containerd/log"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
)

// Enclosure is a network namespace out of which only what a policy lists gets.
type Enclosure interface {
	// Blocked gives what was refused so far.
	Blocked() ([]spec.Blocked, error)
	// Watch calls woken when something more was, until what it gives is closed.
	Watch(woken func()) (interface{ Close() error }, error)
	Close() error
}

// egress is what is refused on the network of a container.
type egress struct {
	*counted
	within Enclosure
	watch  interface{ Close() error } // nil when nobody tells
	closed sync.Once
}

// wokenAfter is how long the counters are left to fill when the kernel has said
// that there is something: it says so once a second, and what came within that
// second is counted by then.
const wokenAfter = 1500 * time.Millisecond

// enclose holds the network of a container to its policy. first is its first
// process, which waits before its program; 0 before it is made, when a namespace
// that is named is enclosed. Containers of a pod share the one of the pause
// container, where what is refused is told.
func (s *Service) enclose(t *task, oci *specs.Spec, first uint32) error {
	if t.met == nil || t.met.Network == nil || s.config.Enclose == nil {
		return nil
	}
	path := networkOf(oci)
	if named := path != ""; named != (first == 0) {
		return nil
	}
	if path == "" {
		path = fmt.Sprintf("/proc/%d/ns/net", first)
	}
	within, err := s.config.Enclose(path, *t.met.Network)
	if err != nil {
		return fmt.Errorf("the network of profile %s cannot be had: %w", t.met.Profile, err)
	}
	if t.who.Pod != "" && t.who.Pod != t.who.ID {
		return within.Close()
	}
	e := &egress{within: within}
	e.counted = s.count(t.who, t.dir, e.denials)
	e.more = "; in a network that is there already it holds only when its pod is made again"
	t.egress = e
	if e.watch, err = within.Watch(func() { e.soon(wokenAfter) }); err != nil {
		e.watch = nil
		log.L.WithField("id", t.id).WithError(err).Warn("what the network refuses is told at the end only")
	}
	return nil
}

// networkOf is the path of the network namespace that a bundle joins; empty when
// it has one of its own.
func networkOf(oci *specs.Spec) string {
	if oci.Linux == nil {
		return ""
	}
	for _, ns := range oci.Linux.Namespaces {
		if ns.Type == specs.NetworkNamespace {
			return ns.Path
		}
	}
	return ""
}

func (e *egress) denials() (list []event.Denial) {
	blocked, err := e.within.Blocked()
	if err != nil {
		log.L.WithField("id", e.who.ID).WithError(err).Warn("what the network refused cannot be read")
	}
	for _, b := range blocked {
		list = append(list, b.Denial())
	}
	return list
}

// end tells of the rest and lets go of the namespace.
func (e *egress) end() {
	if e == nil {
		return
	}
	e.flush(true)
	e.closed.Do(func() {
		var err error
		if e.watch != nil {
			err = e.watch.Close()
		}
		if err = errors.Join(err, e.within.Close()); err != nil && !errors.Is(err, os.ErrClosed) {
			log.L.WithError(err).Warn("the network of a container")
		}
	})
}
