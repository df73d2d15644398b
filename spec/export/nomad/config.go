package nomad

import (
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/engine"
	"github.com/safe-run/safe-run/spec/quote"
)

// config is the docker driver's own block.
func (w *writer) config() {
	s := w.s
	w.block("config")
	w.text("image", s.ImageName())
	w.list("entrypoint", s.Command)
	w.list("args", s.Args)
	if s.Connected {
		w.text("network_mode", "bridge")
	} else {
		w.text("network_mode", "none")
	}
	var labels []string
	for _, p := range w.ports {
		labels = append(labels, p.label)
	}
	w.list("ports", labels)
	w.line("readonly_rootfs = %t", s.ReadOnly)
	w.list("cap_drop", []string{"all"})
	var caps []string
	for _, c := range s.Capabilities {
		caps = append(caps, strings.ToLower(c))
	}
	w.list("cap_add", caps)
	w.list("security_opt", []string{"no-new-privileges", "seccomp=" + w.filterPath()})
	w.line("pids_limit = %d", *s.Profile.Resources.Pids)
	w.line("cpu_hard_limit = true")
	w.text("ipc_mode", "private")
	if s.Init {
		w.line("init = true")
	}
	if said(s.Profile.Health.Disabled) {
		w.block("healthchecks")
		w.line("disable = true")
		w.close()
	}
	w.line(`sysctl = { "net.ipv4.ip_unprivileged_port_start" = %s }`, quote.HCL(engine.PortStart(s)))
	w.block("ulimit")
	for _, r := range sortedLimits(s) {
		w.text(r.Name, fmt.Sprintf("%d:%d", *r.Soft, *r.Hard))
	}
	w.close()
	for _, p := range s.Places {
		w.mount(p)
	}
	w.close()
}

func said(b *bool) bool { return b != nil && *b }

// mount: Docker mounts a tmpfs of this kind nosuid, nodev and noexec.
func (w *writer) mount(p export.Place) {
	w.block("mount")
	w.text("type", "tmpfs")
	w.text("target", p.Path)
	w.line("readonly = false")
	w.block("tmpfs_options")
	w.line("size = %d", p.Size)
	w.line("mode = %d # %04o", w.mode(p), w.mode(p))
	w.close()
	w.close()
}

// mode: a tmpfs belongs to root there. What its owner may do, all may, and only
// with their own files, where the program is not root.
func (w *writer) mode(p export.Place) uint32 {
	if p.OwnedByWhole || w.s.UID == 0 {
		return p.Mode
	}
	owner := p.Mode >> 6 & 0o7
	return p.Mode | 0o1000 | owner<<3 | owner
}

// health is a check of Consul's that Nomad runs inside the task.
func (w *writer) health() {
	h := w.s.Profile.Health
	words := healthWords(h)
	if len(words) == 0 {
		return
	}
	w.block("service")
	w.text("name", w.s.Name)
	w.text("provider", "consul")
	w.block("check")
	w.text("name", "health")
	w.text("type", "script")
	w.text("task", w.s.Name)
	w.text("command", words[0])
	w.list("args", words[1:])
	w.text("interval", duration(h.Interval))
	w.text("timeout", duration(h.Timeout))
	w.close()
	w.close()
}

// duration is a time between checks, docker's where none is said. Nomad takes
// none below a second.
func duration(d *profiles.Duration) string {
	if d == nil {
		return "30s"
	}
	return fmt.Sprintf("%ds", max(seconds(*d), 1))
}

// healthWords is the check as a program with its arguments; nothing where there
// is none.
func healthWords(h profiles.Health) []string {
	if said(h.Disabled) || h.Test == nil {
		return nil
	}
	if line, ok := h.Test.Shell(); ok {
		return []string{"/bin/sh", "-c", line}
	}
	return h.Test.Words()
}
