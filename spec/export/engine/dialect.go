// Package engine is what the exports for container engines have in common: the
// flags of docker run, which podman took over, and what each engine cannot say.
package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
)

// Dialect is how engines differ.
type Dialect struct {
	// Target is what it is called in losses.
	Target string
	// Masked and ReadOnly are the paths that the engine hides and protects by
	// itself; Mask says that it can be told of more to hide.
	Masked, ReadOnly []string
	Mask             bool
	// Ambient: a user who is not root keeps a capability across execve(2).
	Ambient bool
	// HealthWords: a check may be a program with its arguments; StartInterval: it
	// may have an interval of its own at the start.
	HealthWords, StartInterval bool
	// UserNS: each container can have a user namespace with ids of its own.
	UserNS bool
	// NoTmpfsOwner: a tmpfs takes neither inodes nor an owner by number; U makes it
	// the first process's own.
	NoTmpfsOwner bool
	// Load says how an image gets into the engine.
	Load string
}

// DockerPaths are what Docker 20.10 hides and protects.
var (
	DockerMasked = []string{
		"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
	}
	DockerReadOnly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// Check refuses what the engines' own syntax cannot take.
func Check(s *export.Subject) error {
	for _, p := range s.Places {
		if strings.ContainsAny(p.Path, ":,\n\r") {
			return problem.New("choose another path", "%s: engines read ':' and ',' in a tmpfs's path as their own", p.Setting())
		}
	}
	for _, r := range s.Rlimits {
		if r.Name == "as" {
			return problem.New("leave it out; resources.memory bounds the whole container", "process.rlimits[as]: engines have no such --ulimit")
		}
	}
	return nil
}

// Lose notes what the engine cannot express.
func (d Dialect) Lose(s *export.Subject) {
	s.LoseChecks(d.Target)
	s.LoseImageTransport(d.Target, d.Load)
	d.loseProcess(s)
	d.losePaths(s)
	d.loseNetwork(s)
	d.loseHealth(s)
	l := s.Losses
	for _, p := range s.Places {
		if d.NoTmpfsOwner && p.Inodes > 0 {
			l.Weaker(p.Setting()+".inodes", fmt.Sprint(p.Inodes), d.Target+" does not bound the files of a tmpfs: empty ones use memory of the kernel, which counts as memory of the container on cgroup version 2", "nothing to do there; run it with safe-run")
		}
	}
	if !slices.ContainsFunc(s.Places, func(p export.Place) bool { return p.Path == "/dev/shm" }) {
		l.Weaker("mounts.tmpfs[/dev/shm]", "", d.Target+" mounts 64MiB of memory there that can be written to, also where the profile has none", "add --ipc none, where nothing needs shared memory")
	}
	if !s.ReadOnly {
		l.Weaker("rootfs.size", s.Profile.Rootfs.Size.String(), "what is written to the image lies on the host's disk, and "+d.Target+" does not bound it",
			"add --storage-opt size="+fmt.Sprint(int64(*s.Profile.Rootfs.Size))+" where the storage driver has quotas")
	} else if s.Profile.Rootfs.Size != nil {
		l.Missing("rootfs.size", s.Profile.Rootfs.Size.String(), "it is for a root filesystem that may be written, and this one may not", "nothing to do")
	}
	l.Different("resources.memory", s.Profile.Resources.Memory.String(), "when memory runs out the kernel may kill one process and leave the others running", "let the program end when one of its processes does")
	if *s.Profile.Resources.Swap == 0 {
		l.Different("resources.swap", "0", "where the host does not count swap the engine warns and starts it all the same", "boot the host with swapaccount=1, or without swap")
	} else {
		l.Different("resources.swap", s.Profile.Resources.Swap.String(), "where the host does not count swap the engine warns and starts it all the same", "boot the host with swapaccount=1")
	}
}

func (d Dialect) loseProcess(s *export.Subject) {
	s.Losses.Different("process.groups", "", d.Target+" makes the first process's group one of its supplementary groups as well", "nothing to do: it has that group either way")
	if !d.Ambient && s.UID != 0 {
		for _, name := range s.Capabilities {
			s.Losses.Missing("process.capabilities["+name+"]", name, d.Target+" gives no ambient capabilities, so that a user who is not root has it in the bounding set alone",
				"set it on the program's file in the image, or run it with safe-run")
		}
	}
	if t := s.Profile.Process.StopTimeout; t != nil && int64(*t)%1e9 != 0 {
		s.Losses.Different("process.stopTimeout", t.String(), "it is rounded up to whole seconds", "write whole seconds")
	}
	if !d.UserNS {
		s.Losses.Weaker("userNamespace", "ids of its own", "root and every id inside are the same ids on the host, unless the daemon is told otherwise, and then all containers share one range",
			`merge daemon.json into /etc/docker/daemon.json ("userns-remap": "default") and restart dockerd`)
	}
}

func (d Dialect) losePaths(s *export.Subject) {
	if more := d.Unmasked(s); len(more) > 0 {
		const do = "run it with safe-run, or deny them in a profile of a security module and name it with --security-opt apparmor="
		s.Losses.Weaker("paths.masked", strings.Join(more, " "), d.Target+" hides a list of its own, which these are not in", do)
	}
	var more []string
	for _, p := range s.Profile.Paths.ReadOnly {
		if !slices.Contains(d.ReadOnly, p) {
			more = append(more, p)
		}
	}
	if len(more) > 0 {
		s.Losses.Weaker("paths.readOnly", strings.Join(more, " "), d.Target+" protects a list of its own, which these are not in",
			"run it with safe-run, or deny writing them in a profile of a security module and name it with --security-opt apparmor=")
	}
	for _, list := range []struct {
		setting   string
		own, said []string
	}{{"paths.masked", d.Masked, s.Profile.Paths.Masked}, {"paths.readOnly", d.ReadOnly, s.Profile.Paths.ReadOnly}} {
		var extra []string
		for _, p := range list.own {
			if !slices.Contains(list.said, p) {
				extra = append(extra, p)
			}
		}
		if len(extra) > 0 {
			s.Losses.Different(list.setting, strings.Join(extra, " "), d.Target+" restricts these as well", "nothing to do")
		}
	}
}

// Unmasked are the paths that the profile hides and the engine does not. A path
// that its own syntax cannot take is one of them.
func (d Dialect) Unmasked(s *export.Subject) (more []string) {
	for _, p := range s.Profile.Paths.Masked {
		if !slices.Contains(d.Masked, p) && (!d.Mask || strings.Contains(p, ":")) {
			more = append(more, p)
		}
	}
	return more
}

func (d Dialect) loseNetwork(s *export.Subject) {
	if !s.Connected {
		return
	}
	var rules []string
	for _, e := range s.Profile.Network.Egress {
		rules = append(rules, e.String())
	}
	value := "none"
	if len(rules) > 0 {
		value = strings.Join(rules, "; ")
	}
	s.Losses.Weaker("network.egress", value, "the container may begin connections to anywhere: the internet, private networks, the host and cloud metadata",
		"filter the bridge on the host (DOCKER-USER of iptables, or nft), or run it with safe-run")
}

func (d Dialect) loseHealth(s *export.Subject) {
	h := s.Profile.Health
	if h.StartInterval != nil && !d.StartInterval {
		s.Losses.Missing("health.startInterval", h.StartInterval.String(), "checks are as far apart at the start as later", "lower health.interval")
	}
	if h.Test != nil && h.Test.Words() != nil && !d.HealthWords {
		s.Losses.Different("health.test", "a list", "it is run by the image's shell, which must be there", "put a shell into the image, or drop the check")
	}
}
