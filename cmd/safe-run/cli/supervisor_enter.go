package cli

import (
	"errors"
	"os"
	"time"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// enter writes the container into the ledger, when it is not there yet, and
// checks that it still is what it was otherwise.
func (s *supervisor) enter(p *prepared) error {
	c := recordOf(s.order.ID, s.o, p)
	s.mu.Lock() // clients ask meanwhile when it is started again
	s.stopSig, s.grace = stopSignal(c.StopSignal), c.StopTimeout
	s.mu.Unlock()
	if s.entry != nil {
		if was := s.entry.ImageDigest; was != "" && was != c.ImageDigest {
			return problem.New("make a new one: safe-run rm "+s.entry.Name+", and run "+s.o.Image+" again",
				"image %s is not the one that %s was made from (%.19s, now %.19s)", s.o.Image, s.entry.Name, was, c.ImageDigest)
		}
		return nil
	}
	var err error
	if c.Dir, err = os.Getwd(); err != nil {
		return err
	}
	if s.entry, err = s.book.Create(c); err != nil {
		return err
	}
	s.first = ledger.State{Status: ledger.Created}
	return s.begin()
}

// recordOf is what the ledger is to know of a container that o asks for.
func recordOf(id string, o runOptions, p *prepared) ledger.Container {
	return ledger.Container{
		ID: id, Name: o.Name, Created: time.Now().UTC(), Image: p.plan.Image.Reference, ImageDigest: p.plan.Image.Digest,
		Command: sandbox.Program(p.plan), Profile: p.plan.Profile, Labels: o.Request.Labels, Restart: o.Restart,
		AutoRemove: o.AutoRemove != nil && *o.AutoRemove, Terminal: o.TTY, OpenStdin: o.Stdin,
		StopSignal: p.plan.Lifecycle.StopSignal, StopTimeout: p.plan.Lifecycle.StopTimeout, Log: o.Log, Args: o.Again,
		Volumes: sandbox.LedgerVolumes(p.plan),
	}
}

// begin opens the log and the control socket.
func (s *supervisor) begin() error {
	log, err := ledger.OpenLog(s.entry.LogDir(), s.entry.Log)
	if err != nil {
		return err
	}
	listener, err := s.entry.Listen()
	if err != nil {
		return errors.Join(err, log.Close())
	}
	s.hub = newHub(log)
	s.firstClient()
	go s.serve(listener)
	return nil
}
