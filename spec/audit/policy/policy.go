// Package policy reads a profile of safe-run's own into facts. What a profile does
// not say, spec.Compile refuses or sets, and the same is assumed here.
package policy

import (
	"fmt"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/audit"
)

// Facts are those of a container that runs under a resolved profile.
func Facts(p profiles.Profile) audit.Facts {
	r := reader{p}
	kernel := func(what string) audit.Answer[bool] { return audit.Default(true, what) }
	const always = "safe-run always gives one"
	f := audit.Facts{
		Seccomp:         audit.Said(audit.AllowList, r.at("seccomp.allow")),
		Capabilities:    r.capabilities(),
		Privileged:      audit.Default(false, ""),
		NoNewPrivileges: kernel("safe-run always sets it"),
		Root:            audit.Said(p.Process.Root != nil && p.Process.Root.Allow != nil && *p.Process.Root.Allow, r.at("process.root")),
		UserNamespace:   kernel(always), PID: kernel(always), IPC: kernel(always), Network: kernel(always), UTS: kernel(always), CgroupNS: kernel(always),
		ReadOnlyRoot: audit.Said(p.Rootfs.ReadOnly != nil && *p.Rootfs.ReadOnly, r.at("rootfs.readOnly")),
		Memory:       audit.Said(p.Resources.Memory != nil, r.at("resources.memory")),
		CPU:          audit.Said(p.Resources.CPUs != nil, r.at("resources.cpus")),
		Pids:         audit.Said(p.Resources.Pids != nil, r.at("resources.pids")),
		Rlimits:      audit.Said(len(p.Process.Rlimits) > 0, r.at("process.rlimits")),
		Logs:         audit.Default(true, "10 MiB a file, three files"),
		Masked:       audit.Said(len(p.Paths.Masked) > 0, r.at("paths.masked")),
		LSM:          audit.Elsewhere[audit.Confinement]("the host's AppArmor decides: safe-run verify shows what holds"),
		Reach:        r.reach(),
		OwnCgroup:    audit.Default(true, "safe-run's"),
		Image:        audit.Elsewhere[string]("a profile is for many images: safe-run image audit looks at one"),
	}
	r.accepted(&f)
	for i, t := range p.Mounts.Tmpfs {
		at := r.at(fmt.Sprintf("mounts.tmpfs[%s]", p.Mounts.Tmpfs[i].Path))
		f.Tmpfs = append(f.Tmpfs, audit.Tmpfs{Path: t.Path, Bounded: t.Size != nil, Exec: t.Exec != nil && *t.Exec, At: at})
	}
	for _, h := range p.Mounts.HostPaths {
		f.Mounts = append(f.Mounts, audit.Mount{Host: h.Path, Inside: "(where -v says)", Writable: h.Write != nil && *h.Write, At: r.at(fmt.Sprintf("mounts.hostPaths[%s]", h.Path))})
	}
	return f
}

type reader struct{ p profiles.Profile }

// accepted are the weakenings that the profile puts up with where the host cannot
// do better: then nobody can tell from the profile.
func (r reader) accepted(f *audit.Facts) {
	const note = "the profile accepts that a host which cannot give it does without"
	unsure := audit.Elsewhere[bool](note)
	for _, a := range r.p.Accept {
		switch a.Name {
		case profiles.WeakUserNamespace:
			f.UserNamespace = unsure
		case profiles.WeakSeccomp:
			f.Seccomp = audit.Elsewhere[audit.Filter](note)
		case profiles.WeakMemoryLimit:
			f.Memory = unsure
		case profiles.WeakCPULimit:
			f.CPU = unsure
		case profiles.WeakPidsLimit:
			f.Pids = unsure
		case profiles.WeakRlimits:
			f.Rlimits = unsure
		case profiles.WeakReadOnlyPaths:
			f.Masked = unsure
		case profiles.WeakNetworkIsolation:
			f.Reach = audit.Elsewhere[audit.Reach](note)
		}
	}
}

func (r reader) at(path string) audit.Place {
	o := r.p.Origin(path)
	return audit.Place{Source: o.Source, Line: o.Line, Column: o.Column, Path: path}
}

func (r reader) capabilities() audit.Answer[[]string] {
	held := []string{}
	for _, c := range r.p.Process.Capabilities {
		held = append(held, c.Name)
	}
	return audit.Said(held, r.at("process.capabilities"))
}

func (r reader) reach() audit.Answer[audit.Reach] {
	n := r.p.Network
	if n.Mode == nil || *n.Mode == profiles.NetworkNone || len(n.Egress) == 0 {
		return audit.Said(audit.ReachNothing, r.at("network.mode"))
	}
	// "internet" leaves out private ranges and the metadata service.
	return audit.Said(audit.ReachListed, r.at("network.egress"))
}
