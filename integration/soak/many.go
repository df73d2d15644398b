package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is promised.
const (
	maxStartRatio = 1.25                   // of a detached start to one in the foreground, in time
	maxList       = 100 * time.Millisecond // ps with 1,000 containers
	maxSupervisor = 6 << 10                // KiB of a supervisor alone, and on average
)

// many has many containers at the same time, and measures.
func (p *product) many(n int) (err error) {
	lone, err := p.lone()
	if err != nil {
		return err
	}
	fmt.Printf("one supervisor alone: %.1f MiB; promised: at most %.0f MiB\n", mib(lone), mib(maxSupervisor))
	fore, err := timed(func() error {
		return parallel(n, func(int) error { return p.run("run", p.image, "true") })
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.clear(n)) }()
	detached, err := timed(func() error {
		return parallel(n, func(i int) error {
			return p.run("run", "-d", "--name", fmt.Sprintf("soak-%d", i), p.image, "sleep", "86400")
		})
	})
	if err != nil {
		return err
	}
	ratio := detached.Seconds() / fore.Seconds()
	fmt.Printf("%d starts, %d at a time: %v in the foreground (%.1f a second), %v detached (%.1f a second), ratio %.2f; promised: at most %.2f\n",
		n, atOnce, fore.Round(time.Millisecond), float64(n)/fore.Seconds(), detached.Round(time.Millisecond), float64(n)/detached.Seconds(), ratio, maxStartRatio)
	time.Sleep(3 * time.Second) // until the last has settled
	average, err := p.average(n)
	if err != nil {
		return err
	}
	fmt.Printf("%d supervisors: %.1f MiB each\n", n, mib(average))
	list, err := p.list(n)
	if err != nil {
		return err
	}
	fmt.Printf("ps with %d containers: %v, of which the processor worked %v; promised: at most %v with 1,000\n",
		n, list.Round(100*time.Microsecond), time.Duration(p.spent.Load()).Round(time.Millisecond), maxList)
	var broken []error
	if ratio > maxStartRatio {
		broken = append(broken, errors.New("detached starts are too slow"))
	}
	if list > maxList {
		broken = append(broken, errors.New("ps is too slow"))
	}
	if lone > maxSupervisor || average > maxSupervisor {
		broken = append(broken, errors.New("a supervisor is too large"))
	}
	return errors.Join(broken...)
}

// clear stops and removes all, some at a time.
func (p *product) clear(n int) error {
	took, err := timed(func() error {
		return parallel(n, func(i int) error {
			name := fmt.Sprintf("soak-%d", i)
			return errors.Join(p.run("stop", "-t", "0", name), p.run("rm", name))
		})
	})
	fmt.Printf("%d stopped and removed in %v\n", n, took.Round(time.Millisecond))
	return err
}

func timed(f func() error) (time.Duration, error) {
	begun := time.Now()
	err := f()
	return time.Since(begun), err
}

func mib(kib int) float64 { return float64(kib) / 1024 }

// lone is what a supervisor takes that shares the program with none.
func (p *product) lone() (int, error) {
	if err := p.run("run", "-d", "--name", "soak-lone", p.image, "sleep", "86400"); err != nil {
		return 0, err
	}
	time.Sleep(3 * time.Second)
	size, err := p.average(1)
	return size, errors.Join(err, p.run("rm", "-f", "soak-lone"))
}

// average is the proportional set size of the supervisors, of which there must
// be n.
func (p *product) average(n int) (int, error) {
	sum, found := 0, 0
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		name, _ := os.ReadFile(dir + "/cmdline")
		env, _ := os.ReadFile(dir + "/environ")
		if !strings.HasPrefix(string(name), "safe-run-supervisor\x00") || !strings.Contains(string(env), "SAFE_RUN_LEDGER="+p.ledger+"\x00") {
			continue
		}
		data, err := os.ReadFile(dir + "/smaps_rollup")
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(data)) {
			if text, is := strings.CutPrefix(line, "Pss:"); is {
				size, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")))
				if err != nil {
					return 0, err
				}
				sum, found = sum+size, found+1
			}
		}
	}
	if found != n {
		return 0, fmt.Errorf("there are %d supervisors, not %d", found, n)
	}
	return sum / n, nil
}

// list is how long ps takes: the median of ten.
func (p *product) list(n int) (time.Duration, error) {
	var times []time.Duration
	for range 10 {
		var out string
		took, err := timed(func() (err error) {
			out, err = p.out("ps", "--filter", "name=soak-")
			return err
		})
		if err != nil {
			return 0, err
		}
		if got := strings.Count(out, "\n"); got != n { // below the head
			return 0, fmt.Errorf("ps lists %d containers, not %d", got, n)
		}
		times = append(times, took)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
