package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/severity"
)

func maskedPaths(f Facts) []opinion {
	if privileged(f) {
		return []opinion{bad(f.Privileged.At, "a privileged container has all of /proc and /sys", "remove the privilege").as(severity.High)}
	}
	return flag(f.Masked, "masked", bad(Place{}, "the usual paths of /proc and /sys are not masked", "keep the runtime's masks").as(severity.High))
}

func hostMounts(f Facts) []opinion {
	var out []opinion
	for _, m := range f.Mounts {
		if spec.ReachesEngine(m.Host) && m.Host != "/" {
			continue // the next control's
		}
		access := "to read"
		if m.Writable {
			access = "to write"
		}
		what := fmt.Sprintf("%s of the host is mounted %s", m.Host, access)
		switch reason, sensitive := spec.SensitiveHostPath(m.Host, m.Writable); {
		case sensitive && (m.Writable || m.Host == "/"):
			out = append(out, bad(m.At, what+": "+reason, "do not mount it").as(severity.Critical))
		case sensitive:
			out = append(out, bad(m.At, what+": "+reason, "do not mount it").as(severity.High))
		case m.Writable:
			out = append(out, bad(m.At, what, "use a volume, or mount it read-only").as(severity.Low))
		default:
			out = append(out, bad(m.At, what, "use a volume, or have it in the image").as(severity.Info))
		}
	}
	if out == nil {
		out = append(out, holds(Place{}, "nothing of the host is mounted"))
	}
	return out
}

func runtimeSocket(f Facts) []opinion {
	var out []opinion
	for _, m := range f.Mounts {
		if spec.ReachesEngine(m.Host) {
			out = append(out, bad(m.At, fmt.Sprintf("%s reaches a container engine: whoever talks to it is root on the host", m.Host),
				"do not mount it; who must build images can use a builder without a daemon").as(severity.Critical))
		}
	}
	if out == nil {
		out = append(out, holds(Place{}, "none is mounted"))
	}
	return out
}

func propagation(f Facts) []opinion {
	var out []opinion
	if f.SharedRoot.Is {
		out = append(out, bad(f.SharedRoot.At, "what is mounted inside appears on the host", "make the root private, or a slave").as(severity.High))
	}
	for _, m := range f.Mounts {
		if m.Shared {
			out = append(out, bad(m.At, fmt.Sprintf("what is mounted below %s inside appears on the host", m.Inside), "mount it without (Bidirectional) shared propagation").as(severity.High))
		}
	}
	if out == nil {
		out = append(out, holds(Place{}, "no mount is shared with the host"))
	}
	return out
}

func devices(f Facts) []opinion {
	if privileged(f) {
		return []opinion{bad(f.Privileged.At, "a privileged container has every device of the host, its disks too", "remove the privilege").as(severity.Critical)}
	}
	var out []opinion
	for _, d := range f.Devices {
		out = append(out, bad(d.At, "it has the host's "+d.Name, "leave it out, or give a program of its own the device").as(severity.High))
	}
	if out == nil {
		out = append(out, holds(Place{}, "none beside the usual ones"))
	}
	return out
}

func lsm(f Facts) []opinion {
	switch {
	case privileged(f):
		return []opinion{bad(f.Privileged.At, "a privileged container is not confined by AppArmor or SELinux", "remove the privilege").as(severity.Medium)}
	case !f.LSM.Known:
		return []opinion{cannot("%s", f.LSM.Note)}
	case f.LSM.Is == Unconfined:
		return []opinion{bad(f.LSM.At, "it is not confined by AppArmor or SELinux"+noted(f.LSM.Note), "leave the runtime's default profile, or name one").as(severity.Medium)}
	}
	return []opinion{holds(f.LSM.At, "confined%s", noted(f.LSM.Note))}
}

func egress(f Facts) []opinion {
	const mend = "name what it must reach: network.egress in a profile, a NetworkPolicy in a cluster; or no network"
	switch {
	case f.Network.Known && !f.Network.Is:
		return []opinion{bad(f.Network.At, "with the host's network it reaches what the host reaches", mend).as(severity.Medium)}
	case !f.Reach.Known:
		return []opinion{cannot("%s", f.Reach.Note)}
	case f.Reach.Is == ReachAll:
		return []opinion{bad(f.Reach.At, "it can connect to everything, a cloud's metadata service too"+noted(f.Reach.Note), mend).as(severity.Medium)}
	}
	return []opinion{holds(f.Reach.At, "it reaches %s%s", f.Reach.Is, noted(f.Reach.Note))}
}

func ports(f Facts) []opinion {
	var out []opinion
	for _, p := range f.Ports {
		all := p.HostIP == "" || p.HostIP == "0.0.0.0" || p.HostIP == "::"
		switch {
		case p.Host > 0 && p.Host < 1024:
			out = append(out, bad(p.At, fmt.Sprintf("the privileged port %d of the host leads to it", p.Host), "publish a port from 1024 on, behind a proxy").as(severity.Low))
		case all:
			out = append(out, bad(p.At, fmt.Sprintf("port %s of every address of the host leads to it", portName(p.Host)), "name the address: 127.0.0.1:"+portName(p.Host)).as(severity.Low))
		}
	}
	if out == nil {
		out = append(out, holds(Place{}, "%d published, none of them on every address or privileged", len(f.Ports)))
	}
	return out
}

func portName(port uint16) string {
	if port == 0 {
		return "(a free one)"
	}
	return fmt.Sprint(port)
}

// safeSysctls are Kubernetes's: of a namespace, and without effect on others.
var safeSysctls = []string{
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
	"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
	"net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat",
}

// SafeSysctl says whether a sysctl is one of those that Pod Security Standards
// let every pod set.
func SafeSysctl(name string) bool { return slices.Contains(safeSysctls, name) }

// ofNamespace says whether a sysctl belongs to a namespace of the container
// (namespaces(7)): net.*, and those of IPC.
func ofNamespace(name string) bool {
	return strings.HasPrefix(name, "net.") || strings.HasPrefix(name, "fs.mqueue.") || strings.HasPrefix(name, "kernel.msg") ||
		strings.HasPrefix(name, "kernel.shm") || name == "kernel.sem" || name == "kernel.domainname" || name == "kernel.hostname"
}

func sysctls(f Facts) []opinion {
	var out []opinion
	for _, s := range f.Sysctls {
		switch {
		case SafeSysctl(s.Name):
		case !ofNamespace(s.Name):
			out = append(out, bad(s.At, s.Name+" is a setting of the whole host", "leave it to the host").as(severity.High))
		default:
			out = append(out, bad(s.At, s.Name+" is of its namespace, but not among those known to be safe", "leave it out unless it is needed").as(severity.Low))
		}
	}
	if out == nil {
		out = append(out, holds(Place{}, "%d set, all of them safe", len(f.Sysctls)))
	}
	return out
}

func image(f Facts) []opinion {
	switch {
	case !f.Image.Known:
		return []opinion{cannot("%s", f.Image.Note)}
	case f.Pinned:
		return []opinion{holds(f.Image.At, "%s names a digest; what is in it: safe-run image audit", f.Image.Is)}
	}
	return []opinion{bad(f.Image.At, f.Image.Is+" names no digest: what runs tomorrow may be something else", "pin it: NAME@sha256:...; what is in it: safe-run image audit").as(severity.Low)}
}
