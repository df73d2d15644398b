package nomad

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/docker"
	"github.com/safe-run/safe-run/spec/export/engine"
)

const nothing = "nothing to do"

// lose notes what a job cannot say, and what the clients must be told.
func (w *writer) lose() {
	s, l := w.s, w.s.Losses
	s.LoseChecks("nomad")
	s.LoseImageTransport("nomad", "load it into the clients' dockerd, or push it to a registry, and export that name")
	docker.LoseFilter(l)
	l.Different("seccomp", w.filterPath(), "each client reads the filter from its own disk, and a job does not start without it", "copy seccomp.json there on each client")
	if s.ReadOnly {
		l.Weaker("rootfs.readOnly", "/alloc, /local, /secrets", "Nomad mounts directories of the client there, which can be written to whatever the root filesystem is", "export apparmor as well: its profile lets nothing be written there")
	}
	w.loseProcess()
	w.losePlaces()
	w.losePaths()
	w.loseResources()
	w.loseNetwork()
	w.loseHealth()
	w.loseTexts()
}

// allowed are the capabilities that clients let jobs add, as they come.
var allowed = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

func (w *writer) loseProcess() {
	s, p, l := w.s, w.s.Profile.Process, w.s.Losses
	l.Weaker("userNamespace", "ids of its own", "root and every id inside are the same ids on the client; userns_mode of a job can only be host, which is less",
		`write "userns-remap": "default" into the clients' /etc/docker/daemon.json`)
	l.Different("process.groups", "", "Docker makes the first process's group one of its supplementary groups as well", "nothing to do: it has that group either way")
	for _, name := range s.Capabilities {
		at := "process.capabilities[" + name + "]"
		if s.UID != 0 {
			l.Missing(at, name, "Docker gives no ambient capabilities, so that a user who is not root has it in the bounding set alone", "set it on the program's file in the image")
		}
		if !slices.Contains(allowed, name) {
			l.Different(at, name, "clients refuse a job that asks for it", "add it to allow_caps of the clients' docker plugin")
		}
	}
	if sig := p.StopSignal; sig != nil && realTime(*sig) {
		l.Missing("process.stopSignal", string(*sig), "Nomad has no name for it: the image's own signal is sent", "set it in the image: STOPSIGNAL")
	}
	if t := p.StopTimeout; t != nil {
		l.Different("process.stopTimeout", t.String(), "it is rounded up to whole seconds, and clients lower what is above their max_kill_timeout (30s)", "raise max_kill_timeout on the clients where that is not enough")
	}
	if adj := p.OOMScoreAdj; adj != nil {
		l.Missing("process.oomScoreAdj", fmt.Sprint(*adj), "older docker drivers do not know it", fmt.Sprintf("write oom_score_adj = %d into config where the clients do", *adj))
	}
}

func (w *writer) losePlaces() {
	s, l := w.s, w.s.Losses
	for _, p := range s.Places {
		if w.mode(p) != p.Mode {
			l.Weaker(p.Setting()+".mode", fmt.Sprintf("%04o", p.Mode), fmt.Sprintf("a tmpfs of a job belongs to root: it is open to all, with mode %04o", w.mode(p)), "nothing to do: all in the container are one user")
		} else if !p.OwnedByWhole {
			l.Different(p.Setting()+".mode", fmt.Sprintf("%04o", p.Mode), "a tmpfs of a job belongs to root", nothing)
		}
		if p.Inodes > 0 {
			l.Weaker(p.Setting()+".inodes", fmt.Sprint(p.Inodes), "a job does not bound the files of a tmpfs: empty ones use memory of the kernel, which counts as memory of the container on cgroup version 2", "run it with safe-run where that matters")
		}
		if p.Exec {
			l.Missing(p.Setting()+".exec", "true", "a tmpfs of a job is noexec", "put the programs into the image")
		}
	}
	if !slices.ContainsFunc(s.Places, func(p export.Place) bool { return p.Path == "/dev/shm" }) {
		l.Weaker("mounts.tmpfs[/dev/shm]", "", "Docker mounts 64MiB of memory there that can be written to, also where the profile has none", `write ipc_mode = "none" where nothing needs shared memory`)
	}
	if size := s.Profile.Rootfs.Size; !s.ReadOnly {
		l.Weaker("rootfs.size", size.String(), "what is written to the image lies on the client's disk, and nothing bounds it", fmt.Sprintf("write storage_opt = { size = \"%d\" } where the storage driver has quotas", int64(*size)))
	} else if size != nil {
		l.Missing("rootfs.size", size.String(), "it is for a root filesystem that may be written, and this one may not", nothing)
	}
}

func (w *writer) losePaths() {
	for _, list := range []struct {
		setting   string
		own, said []string
	}{{"paths.masked", engine.DockerMasked, w.s.Profile.Paths.Masked}, {"paths.readOnly", engine.DockerReadOnly, w.s.Profile.Paths.ReadOnly}} {
		if more := without(list.said, list.own); more != "" {
			w.s.Losses.Weaker(list.setting, more, "Docker has a list of its own, which these are not in", "export apparmor as well, load it on the clients, and add apparmor=NAME to security_opt")
		}
		if more := without(list.own, list.said); more != "" {
			w.s.Losses.Different(list.setting, more, "Docker restricts these as well", nothing)
		}
	}
}

// without lists what is in one list and not in the other.
func without(list, other []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(list), func(p string) bool { return slices.Contains(other, p) }), " ")
}

func (w *writer) loseResources() {
	r, l := w.s.Profile.Resources, w.s.Losses
	l.Different("resources.cpus", r.CPUs.String(), fmt.Sprintf("it is %d MHz: Nomad counts clock, and how fast a client's processors are is not known here; on faster ones it is less time", mhz(w.s)),
		"raise cpu to the clock of the clients' processors, for each of them that is to be used")
	l.Different("resources.memory", r.Memory.String(), "when memory runs out the kernel may kill one process and leave the others running", "let the program end when one of its processes does")
	switch given := mebibytes(w.s) << 20; {
	case given > int64(*r.Memory):
		l.Weaker("resources.memory", r.Memory.String(), fmt.Sprintf("Nomad gives %d MiB at least", leastMemory), nothing)
	case given < int64(*r.Memory):
		l.Different("resources.memory", r.Memory.String(), "it is rounded down to whole MiB", "write whole MiB")
	}
	if *r.Swap != 0 {
		l.Missing("resources.swap", r.Swap.String(), "Nomad gives a container no swap", nothing)
	} else {
		l.Different("resources.swap", "0", "where the client does not count swap Docker warns and starts it all the same", "boot the clients with swapaccount=1, or without swap")
	}
}

func (w *writer) loseNetwork() {
	s, l := w.s, w.s.Losses
	if !s.Connected {
		return
	}
	var rules []string
	for _, e := range s.Profile.Network.Egress {
		rules = append(rules, e.String())
	}
	l.Weaker("network.egress", cmp.Or(strings.Join(rules, "; "), "none"), "the container may begin connections to anywhere: the internet, private networks, the client and cloud metadata", "filter the bridge on the clients (DOCKER-USER of iptables, or nft)")
	for _, p := range s.Publish {
		text := engine.Publish(p)
		l.Weaker("publish", text, "Nomad opens a port for TCP and for UDP", "filter the other one on the clients")
		if p.HostIP != "" {
			l.Weaker("publish", text, "the port is open on the client's own address and not on this one alone", "define a host_network with this address on the clients, and name it in the port")
		}
	}
}

func (w *writer) loseHealth() {
	h, l := w.s.Profile.Health, w.s.Losses
	if said(h.Disabled) {
		return
	}
	there := h.Test != nil
	if there {
		l.Different("health.test", string(*h.Test), "it needs Consul, and runs in the task; a check that fails for once counts", "run Consul beside the clients, or remove the service block")
	}
	for _, t := range []struct {
		name  string
		value *profiles.Duration
	}{{"startPeriod", h.StartPeriod}, {"startInterval", h.StartInterval}, {"interval", h.Interval}, {"timeout", h.Timeout}} {
		expressed := there && (t.name == "interval" || t.name == "timeout")
		switch {
		case t.value == nil:
		case !expressed:
			l.Missing("health."+t.name, t.value.String(), "a check of a job has no such time", nothing)
		case int64(*t.value)%1e9 != 0:
			l.Different("health."+t.name, t.value.String(), "it is rounded up to whole seconds", "write whole seconds")
		}
	}
	if h.Retries != nil {
		l.Missing("health.retries", fmt.Sprint(*h.Retries), "a check that fails for once counts", "write check_restart with a limit where it is to be restarted then")
	}
}

// reference is what clients replace in the texts of a task when it starts, if they
// know the name; nothing can be written in front of it that would stop them.
var reference = regexp.MustCompile(`\$\{[a-zA-Z0-9_.-]+\}`)

// loseTexts notes what is read as something else after the job was read.
func (w *writer) loseTexts() {
	s := w.s
	texts := slices.Concat(s.Command, s.Args, s.Env, healthWords(s.Profile.Health))
	for _, p := range s.Places {
		texts = append(texts, p.Path)
	}
	var found []string
	for _, t := range append(texts, s.ImageName()) {
		for _, name := range reference.FindAllString(t, -1) {
			if !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	if len(found) > 0 {
		s.Losses.Different("text", strings.Join(found, " "), "clients put a value in its place where they know a variable of this name", "put what needs it into a file of the image")
	}
	for _, e := range s.Env {
		name, _, _ := strings.Cut(e, "=")
		if !identifier(strings.ReplaceAll(name, ".", "_")) {
			s.Losses.Different("env", name, "Nomad writes _ for what is neither letter, digit, dot nor _", "choose another name")
		}
	}
}
