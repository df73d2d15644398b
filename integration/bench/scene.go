package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/integration/bench/result"
)

// contestant is one way to do what a scene is about.
type contestant struct {
	name, what string
	args       []string
	// before and after are run around each measurement, and not measured.
	before, after func() error
	// value gives what is measured instead of the time that args take.
	value func() (float64, error)
	// without says why it cannot be measured.
	without string
}

// scene is a scene about to be measured.
type scene struct {
	name, title string
	note        string // for the page: what there is to know
	contestants []contestant
	targets     []*result.Target
	rounds      int // at most; 0: as many as asked for
	// blocks: one after the other, because what each needs takes long to make.
	blocks bool
}

// fewest rounds are run however long they take.
const fewest = 5

// measure has all contestants take turns. One who fails is out, with the reason.
func (s scene) measure(ctx context.Context, o options) *result.Scene {
	out := &result.Scene{Name: s.name, Title: s.title, Note: s.note, Targets: s.targets}
	for _, c := range s.contestants {
		r := &result.Contestant{Name: c.name, What: c.what, Ran: c.args, Without: c.without}
		if r.Without == "" && !s.blocks && ctx.Err() == nil {
			// The first time fills caches, and shows whether it works at all.
			if _, err := c.once(nil); err != nil {
				r.Without = firstLine(err)
			}
		}
		out.Contestants = append(out.Contestants, r)
	}
	rounds := o.rounds
	if s.rounds > 0 {
		rounds = min(rounds, s.rounds)
	}
	began := time.Now()
	for turn := range rounds * len(s.contestants) {
		n := s.turn(turn, rounds)
		r := out.Contestants[n]
		if s.blocks && len(r.Seconds) == 0 {
			began = time.Now() // of this block
		}
		// Who has begun a round ends it, so that all have run as often.
		round, first := turn/len(s.contestants), turn%len(s.contestants) == 0
		if s.blocks {
			round, first = len(r.Seconds), true
		}
		late := first && round >= fewest && time.Since(began) > o.most
		if late && !s.blocks {
			break
		}
		if late || r.Without != "" || ctx.Err() != nil {
			continue
		}
		time.Sleep(o.pause)
		seconds, err := s.contestants[n].once(r)
		if err != nil {
			r.Seconds, r.Without = nil, firstLine(err)
			continue
		}
		r.Seconds = append(r.Seconds, seconds)
	}
	return out
}

// turn says whose turn it is: in each round everybody once, in another order.
func (s scene) turn(turn, rounds int) int {
	if s.blocks {
		return turn / rounds
	}
	round, i := turn/len(s.contestants), turn%len(s.contestants)
	return (i + round) % len(s.contestants)
}

// once measures one run.
func (c contestant) once(r *result.Contestant) (seconds float64, err error) {
	if c.before != nil {
		if err := c.before(); err != nil {
			return 0, err
		}
	}
	if c.value != nil {
		seconds, err = c.value()
	} else {
		seconds, err = timed(c.args, r)
	}
	if c.after != nil {
		if failed := c.after(); err == nil {
			err = failed
		}
	}
	return seconds, err
}

// timed runs a command to its end.
func timed(args []string, r *result.Contestant) (float64, error) {
	cmd := exec.Command(args[0], args[1:]...)
	var said bytes.Buffer
	cmd.Stderr = &said
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began).Seconds()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	if r != nil {
		r.Peak = max(r.Peak, maxRSS(cmd.ProcessState))
	}
	return took, nil
}

// maxRSS is in bytes; the kernel counts in KiB.
func maxRSS(state *os.ProcessState) int64 {
	return state.SysUsage().(*syscall.Rusage).Maxrss << 10
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// quietly runs a command that has something to say only when it fails.
func quietly(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
