package main

import (
	"fmt"
	"os"
	"time"
)

// Docker's limits are podman's here: where the bench has fewer than podman's own it
// refuses to start anything.
func podmanRun(args ...string) []string {
	return append([]string{"run", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network", "none"}, args...)
}

// lived is a contestant that starts a container in the background, and one that
// ends and removes it.
type lived struct {
	name, without string
	start, remove []string
}

func (w *world) lives(name string) []lived {
	dockerRun, noDocker := w.dockerArgs("run", "-d", "--network", "none", "--name", name, engineImage, "/sleep")
	dockerRemove, _ := w.dockerArgs("rm", "-f", name)
	podmanStart, noPodman := w.podmanArgs(podmanRun("-d", "--name", name, engineImage, "/sleep")...)
	podmanRemove, _ := w.podmanArgs("rm", "-f", "-t", "0", name)
	return []lived{
		{own, "", []string{w.safeRun, "run", "-d", "--name", name, "dir:" + w.root, "/sleep"}, []string{w.safeRun, "rm", "-f", name}},
		{"docker", noDocker, dockerRun, dockerRemove},
		{"podman", noPodman, podmanStart, podmanRemove},
	}
}

// detached starts containers in the background; that they end is not measured.
func (w *world) detached() scene {
	s := scene{name: "detach", title: "start in the background", rounds: 15}
	for _, l := range w.lives("bench-d") {
		s.contestants = append(s.contestants, contestant{name: l.name + " run -d", args: l.start, without: l.without,
			after: func() error { return quietly(l.remove...) }})
	}
	return s
}

// removed ends and removes containers; their start is not measured.
func (w *world) removed() scene {
	s := scene{name: "stop", title: "end and remove a container that runs", rounds: 15}
	for _, l := range w.lives("bench-r") {
		s.contestants = append(s.contestants, contestant{name: l.name + " rm -f", args: l.remove, without: l.without,
			before: func() error { return quietly(l.start...) }})
	}
	return s
}

// The scene of many at a time.
const (
	together = 8
	inAll    = 200
)

// parallel starts many containers, some at a time, until the last exit code is told.
func (w *world) parallel() scene {
	bundled := func(runtime string) func(n int) []string {
		return func(n int) []string {
			return []string{runtime, "run", "--bundle", w.docker, fmt.Sprintf("bench-%d-%d", os.Getpid(), n)}
		}
	}
	return scene{name: "parallel", title: fmt.Sprintf("%d containers, %d at a time", inAll, together), rounds: 3, contestants: []contestant{
		{name: own, value: timedMany(inAll, func(int) []string { return []string{w.safeRun, "dir:" + w.root, "/true"} })},
		{name: runcTheir, value: timedMany(inAll, bundled(w.runc))},
		installed(contestant{name: crunTheir, args: []string{"crun"}, value: timedMany(inAll, bundled("crun"))}),
	}}
}

func timedMany(count int, args func(n int) []string) func() (float64, error) {
	return func() (float64, error) {
		began := time.Now()
		err := many(count, args)
		return time.Since(began).Seconds(), err
	}
}

// many runs commands, some at a time.
func many(count int, args func(n int) []string) error {
	next, errs := make(chan int), make(chan error, together)
	for range together {
		go func() {
			var failed error
			for n := range next {
				if err := quietly(args(n)...); err != nil && failed == nil {
					failed = err
				}
			}
			errs <- failed
		}()
	}
	for n := range count {
		next <- n
	}
	close(next)
	var failed error
	for range together {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	return failed
}
