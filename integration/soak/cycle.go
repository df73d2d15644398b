package main

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// progress is how often it is said how far it has come.
const progress = 10 * time.Second

// cycle starts and stops containers, each with a start of its own that makes it
// and then one that starts it again.
func (p *product) cycle(n int) error {
	if n == 0 {
		return nil
	}
	var done atomic.Int64
	begun := time.Now()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for tick := time.NewTicker(progress); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				fmt.Fprintf(os.Stderr, "%d of %d cycles, %.1f a second\n", done.Load(), n, float64(done.Load())/time.Since(begun).Seconds())
			}
		}
	}()
	err := parallel(min(n, atOnce), func(lane int) error {
		name := fmt.Sprintf("soak-cycle-%d", lane)
		if err := p.run("run", "-d", "--name", name, p.image, "sleep", "86400"); err != nil {
			return err
		}
		if err := p.run("stop", "-t", "0", name); err != nil {
			return err
		}
		done.Add(1)
		for done.Add(1) <= int64(n) {
			if err := errors.Join(p.run("start", name), p.run("stop", "-t", "0", name)); err != nil {
				return err
			}
		}
		return p.run("rm", name)
	})
	took := time.Since(begun)
	fmt.Printf("%d cycles of start and stop in %v (%.1f a second)\n", n, took.Round(time.Millisecond), float64(n)/took.Seconds())
	return err
}
