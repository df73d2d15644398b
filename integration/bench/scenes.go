package main

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/safe-run/safe-run/integration/bench/result"
)

// The contestants that targets speak of.
const (
	own       = "safe-run"
	runcTheir = "runc, Docker's filter"
	crunTheir = "crun, Docker's filter"
)

// Why promises are broken, where they are, as far as profiles of a launch show.
const (
	whyRunc = "The launch has libcontainer's own steps, which runc has as well: three clones, the moves between control groups, each of which waits for the kernel, " +
		"and a Go runtime in the first process. What is safe-run's own has become less than what its shorter filter and the mounts made ahead save."
	whyCrun    = "crun is plain C: it starts no Go runtime, in the launcher or in the first process, which together take as long as all of crun's mounts."
	whyEngines = "The launch from the store takes as long as that from a directory, within the noise; it is the same path with libcontainer's steps."
)

// scenes are all there are, in their order.
func (w *world) scenes(o options) []scene {
	all := []scene{w.directory(), w.userless(), w.stored(), w.layers(), w.extended(), w.published(), w.joined(), w.detached(), w.removed(), w.parallel(), w.pooled(), w.small()}
	if o.curve {
		all = append(all, w.curve())
	}
	return all
}

// installed is a contestant that is a program of Debian's.
func installed(c contestant) contestant {
	if _, err := exec.LookPath(c.args[0]); err != nil {
		c.without = c.args[0] + " is not installed"
	}
	return c
}

func (w *world) directory() scene {
	launch := contestant{name: own, what: "the default profile, from dir:", args: []string{w.safeRun, "dir:" + w.root, "/true"}}
	contestants := []contestant{
		launch, aftermath(launch, own+", until nothing is left"),
		{name: "libcontainer alone", what: "the same plan, a program of 90 lines", args: []string{w.bare, w.plan, "bench-bare"}},
		installed(contestant{name: runcTheir, what: "runc of the same libcontainer, the same plan but for the filter", args: []string{w.runc, "run", "--bundle", w.docker, "bench-runc"}}),
		installed(contestant{name: crunTheir, what: "the same plan but for the filter", args: []string{"crun", "run", "--bundle", w.docker, "bench-crun"}}),
		installed(contestant{name: "crun, the plan's filter", what: "the same plan", args: []string{"crun", "run", "--bundle", w.plan, "bench-crun"}}),
		installed(contestant{name: "bwrap", what: "namespaces only: no filter, no limits", args: []string{
			"bwrap", "--unshare-all", "--ro-bind", w.root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/true"}}),
		installed(contestant{name: "runc, the plan's filter", what: "the same plan", args: []string{w.runc, "run", "--bundle", w.plan, "bench-runc"}}),
	}
	return scene{name: "dir", title: "true, from a directory", contestants: contestants, targets: []*result.Target{
		{Of: own, To: runcTheir, Most: 0.5, Why: whyRunc},
		{Of: own, To: crunTheir, Most: 0.9, Why: whyCrun},
		{Of: own, To: "libcontainer alone", Most: 1.15},
	}}
}

func (w *world) stored() scene {
	docker, noDocker := w.dockerArgs("run", "--rm", "--network", "none", engineImage, "/true")
	podman, noPodman := w.podmanArgs("run", "--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network", "none", engineImage, "/true")
	return scene{name: "store", title: "true, from the image store, no network", rounds: 20, contestants: []contestant{
		{name: own, what: "five layers", args: []string{w.safeRun, w.image, "/true"}},
		{name: "docker run --network none", what: "one layer", args: docker, without: noDocker},
		{name: "podman run --network none", what: "one layer", args: podman, without: noPodman},
	}, targets: []*result.Target{
		{Of: own, To: "docker run --network none", Most: 0.10, Why: whyEngines}, {Of: own, To: "podman run --network none", Most: 0.20, Why: whyEngines},
	}}
}

func (w *world) published() scene {
	web := []string{w.safeRun, "--profile", "web"}
	return scene{name: "port", title: "true, with a published port and without a network", contestants: []contestant{
		{name: own + ", a port", what: "profile web, -p", args: append(append([]string{}, web...), "-p", "127.0.0.1::80", "dir:"+w.root, "/true")},
		{name: own + ", no network", what: "profile web, --network none", args: append(append([]string{}, web...), "--network", "none", "dir:"+w.root, "/true")},
	}, targets: []*result.Target{{Of: own + ", a port", To: own + ", no network", Most: 1.5}}}
}

// joined runs a further program in containers that are there already.
func (w *world) joined() scene {
	s := scene{name: "exec", title: "exec of true"}
	start := []string{w.safeRun, "run", "-d", "--name", "bench-exec", "dir:" + w.root, "/sleep"}
	s.add(contestant{name: own + " exec", what: "into a detached container", args: []string{w.safeRun, "exec", "bench-exec", "/true"}}, start)
	w.closes = append(w.closes, func() error { _ = quietly(w.safeRun, "rm", "-f", "bench-exec"); return nil })
	docker, noDocker := w.dockerArgs("exec", "bench-exec", "/true")
	start, _ = w.dockerArgs("run", "-d", "--network", "none", "--name", "bench-exec", engineImage, "/sleep")
	s.add(contestant{name: "docker exec", args: docker, without: noDocker}, start)
	podman, noPodman := w.podmanArgs("exec", "bench-exec", "/true")
	start, _ = w.podmanArgs("run", "-d", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network", "none", "--name", "bench-exec", engineImage, "/sleep")
	s.add(contestant{name: "podman exec", args: podman, without: noPodman}, start)
	return s
}

// add adds a contestant that needs a command before all of its runs.
func (s *scene) add(c contestant, first []string) {
	if c.without == "" {
		started := sync.OnceValue(func() error { return quietly(first...) })
		c.before = func() error { return started() }
	}
	s.contestants = append(s.contestants, c)
}

// small are the things that should take next to no time.
func (w *world) small() scene {
	return scene{name: "small", title: "what should take next to no time", contestants: []contestant{
		{name: own + " --version", args: []string{w.safeRun, "--version"}},
		{name: own + " spec", what: "the plan and nothing else", args: []string{w.safeRun, "spec", "dir:" + w.root, "/true"}},
		{name: own + ", package init", what: "GODEBUG=inittrace=1", value: w.packageInit},
	}, targets: []*result.Target{{Of: own + " --version", Most: 0.003}, {Of: own + ", package init", Most: 0.001}}}
}

// initLine is one line of GODEBUG=inittrace=1 (go doc runtime).
var initLine = regexp.MustCompile(`(?m)^init \S+ @\S+ ms, (\S+) ms clock`)

// packageInit is what initialising all packages takes, in seconds.
func (w *world) packageInit() (float64, error) {
	cmd := exec.Command(w.safeRun, "profile", "ls")
	cmd.Env = append(cmd.Environ(), "GODEBUG=inittrace=1")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	total := 0.0
	for _, m := range initLine.FindAllStringSubmatch(said.String(), -1) {
		ms, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		total += ms / 1000
	}
	return total, nil
}
