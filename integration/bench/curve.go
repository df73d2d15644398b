package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/safe-run/safe-run/integration/bench/result"
)

// curve launches while others run.
func (w *world) curve() scene {
	s := scene{name: "curve", title: "true, while other containers run", blocks: true}
	running := 0
	empty := available()
	for _, n := range []int{0, 100, 500, 1000} {
		name := fmt.Sprintf("%s, %d running", own, n)
		s.contestants = append(s.contestants, contestant{
			name: name, args: []string{w.safeRun, "dir:" + w.root, "/true"},
			before: func() error {
				if running == n {
					return nil
				}
				err := w.have(&running, n)
				if n > 0 && err == nil {
					w.counted = append(w.counted, &result.Cost{Of: name, Process: "the host's memory, for each of them", Peak: max(empty-available(), 0) / int64(n)})
				}
				return err
			},
		})
	}
	w.closes = append(w.closes, func() error { return w.have(&running, 0) })
	s.targets = []*result.Target{{Of: own + ", 1000 running", To: own + ", 0 running", Most: 1.3,
		Why: "What the kernel does once for each control group and each thread of the host grows: the mounts of version 1 hierarchies in the container, the quota, pivot_root(2)."}}
	return s
}

// settle is how long what starts and ends leave behind is left to be done.
const settle = 5 * time.Second

// have starts or removes containers until n run.
func (w *world) have(running *int, n int) error {
	from, name := *running, func(i int) string { return fmt.Sprintf("bench-c%d", i) }
	if from == n {
		return nil
	}
	var err error
	if *running = n; n > from {
		err = many(n-from, func(i int) []string {
			return []string{w.safeRun, "run", "-d", "--memory", "16MiB", "--name", name(from + i), "dir:" + w.root, "/sleep"}
		})
	} else {
		const each = 50
		err = many((from-n+each-1)/each, func(i int) []string {
			args := []string{w.safeRun, "rm", "-f"}
			for at := n + i*each; at < min(n+(i+1)*each, from); at++ {
				args = append(args, name(at))
			}
			return args
		})
	}
	time.Sleep(settle)
	return err
}

// available is the host's memory that is to be had, in bytes; 0 where it does not say.
func available() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return availableIn(data)
}

// availableIn reads /proc/meminfo (proc(5)).
func availableIn(meminfo []byte) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(meminfo)); lines.Scan(); {
		if rest, found := strings.CutPrefix(lines.Text(), "MemAvailable:"); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
