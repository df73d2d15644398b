package audit

import (
	"strings"

	"github.com/safe-run/safe-run/spec/severity"
)

func privileged(f Facts) bool { return f.Privileged.Known && f.Privileged.Is }

func seccomp(f Facts) []opinion {
	const mend = "use an allow-list: safe-run's profiles have one, and the runtime's default is one"
	switch {
	case privileged(f):
		return []opinion{bad(f.Privileged.At, "a privileged container has no filter", "remove the privilege").as(severity.High)}
	case !f.Seccomp.Known:
		return []opinion{cannot("%s", f.Seccomp.Note)}
	case f.Seccomp.Is == NoFilter:
		return []opinion{bad(f.Seccomp.At, "there is no system call filter"+noted(f.Seccomp.Note), mend).as(severity.High)}
	case f.Seccomp.Is == OpenByDefault:
		return []opinion{bad(f.Seccomp.At, "the filter lets pass what it does not name: each new system call of a kernel is open", mend).as(severity.Medium)}
	}
	return []opinion{holds(f.Seccomp.At, "%s", string(f.Seccomp.Is)+noted(f.Seccomp.Note))}
}

func capabilities(f Facts) []opinion {
	if privileged(f) {
		return []opinion{bad(f.Privileged.At, "it is privileged: all capabilities, all devices, no filter, no masks", "remove the privilege, and add back what the program is seen to need").as(severity.Critical)}
	}
	caps := f.Capabilities
	if !caps.Known {
		return []opinion{cannot("%s", caps.Note)}
	}
	if len(caps.Is) == 0 {
		return []opinion{holds(caps.At, "none%s", noted(caps.Note))}
	}
	const mend = "drop all, and add back those that the program is seen to need"
	if found := within(caps.Is, escapes); len(found) > 0 {
		return []opinion{bad(caps.At, "it has "+strings.Join(found, ", ")+", each of which is a way to the host", mend).as(severity.Critical)}
	}
	if found := within(caps.Is, strong); len(found) > 0 {
		return []opinion{bad(caps.At, "it has "+strings.Join(found, ", ")+", which reaches beyond the container", mend).as(severity.High)}
	}
	if len(caps.Is) == 1 && caps.Is[0] == "NET_BIND_SERVICE" {
		return []opinion{holds(caps.At, "NET_BIND_SERVICE and no other")}
	}
	return []opinion{bad(caps.At, "it has "+strings.Join(caps.Is, ", ")+noted(caps.Note), mend).as(severity.Medium)}
}

func noNewPrivileges(f Facts) []opinion {
	return flag(f.NoNewPrivileges, "set", bad(Place{}, "a setuid program gives its rights to who executes it", "set no-new-privileges (allowPrivilegeEscalation: false)").as(severity.Medium))
}

func nonRoot(f Facts) []opinion {
	switch {
	case !f.Root.Known:
		return []opinion{cannot("%s", f.Root.Note)}
	case !f.Root.Is:
		return []opinion{holds(f.Root.At, "not root%s", noted(f.Root.Note))}
	}
	o := bad(f.Root.At, "it runs as root"+noted(f.Root.Note), "name a user that is not root, by number").as(severity.Medium)
	if f.UserNamespace.Known && f.UserNamespace.Is {
		o.what += ", in a user namespace"
		o.severity = severity.Low
	}
	return []opinion{o}
}

func userNamespace(f Facts) []opinion {
	return flag(f.UserNamespace, "its own", bad(Place{}, "uids inside are uids of the host", "give it a user namespace (hostUsers: false; userns-remap; --userns=auto)").as(severity.Low))
}

func readOnlyRoot(f Facts) []opinion {
	return flag(f.ReadOnlyRoot, "read-only", bad(Place{}, "the root filesystem can be written", "mount it read-only, and a tmpfs or a volume where the program writes").as(severity.Medium))
}

func pidNamespace(f Facts) []opinion {
	return flag(f.PID, "its own", bad(Place{}, "it sees the processes of the host", "do not share the PID namespace").as(severity.High))
}

func ipcNamespace(f Facts) []opinion {
	return flag(f.IPC, "its own", bad(Place{}, "it shares the memory segments and queues of the host", "do not share the IPC namespace").as(severity.High))
}

func networkNamespace(f Facts) []opinion {
	return flag(f.Network, "its own", bad(Place{}, "it has the network of the host, with what listens on its loopback interface", "do not share the network namespace; publish the ports that are needed").as(severity.High))
}

func otherNamespaces(f Facts) []opinion {
	out := flag(f.UTS, "a UTS namespace of its own", bad(Place{}, "it shares the host's name", "do not share the UTS namespace").as(severity.Medium))
	if f.CgroupNS.Known || f.CgroupNS.Note != "" {
		out = append(out, flag(f.CgroupNS, "a cgroup namespace of its own", bad(Place{}, "it sees the control groups of the host", "give it a cgroup namespace (--cgroupns=private)").as(severity.Low))...)
	}
	return out
}
