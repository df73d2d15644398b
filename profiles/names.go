package profiles

import (
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// capabilityNames are the capabilities by number, from linux/capability.h. The
// table is our own because gocapability reads /proc when it is imported.
var capabilityNames = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
	"IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
	"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
	"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
	"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// rlimitNames are the resources of setrlimit(2).
var rlimitNames = []string{
	"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile",
	"nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
}

// ParseCapability reads a capability in either case, with or without CAP_, and
// gives the name used in profiles.
func ParseCapability(text string) (string, error) {
	name := strings.TrimPrefix(strings.ToUpper(text), "CAP_")
	if !slices.Contains(capabilityNames, name) {
		return "", unknownName("capability", text)
	}
	return name, nil
}

// CapabilityNames lists the capabilities as profiles name them.
func CapabilityNames() []string { return slices.Clone(capabilityNames) }

// namesOf lists the valid values of a kind of name, as in the struct tag
// values; nil for a kind that has no list.
func namesOf(kind string) []string {
	switch kind {
	case "capability":
		return capabilityNames
	case "rlimit":
		return rlimitNames
	case "syscall":
		return append(seccomp.GroupNames(), seccomp.Names()...)
	case "family":
		return seccomp.FamilyNames()
	case "list-path":
		return listPaths()
	case "finding-source":
		return findingSources
	case "weakening":
		var names []string
		for _, w := range weakenings {
			names = append(names, w.Name)
		}
		return names
	}
	return nil
}

// nameKinds says in words what a kind of name is.
var nameKinds = map[string]string{
	"capability": "capability", "rlimit": "resource limit", "syscall": "system call or group",
	"family": "address family", "weakening": "weakening", "list-path": "list in a profile",
	"finding-source": "source of findings", "probe": "attack",
}

// nameKnown reports whether name is a valid value of its kind.
func nameKnown(kind, name string) bool {
	switch kind {
	case "":
		return true
	case "syscall":
		return seccomp.IsGroup(name) || seccomp.IsSyscall(name)
	case "family":
		return seccomp.IsFamily(name)
	case "probe":
		return isProbe(name)
	}
	return slices.Contains(namesOf(kind), name)
}

// unknownName is the error of a name that is none of its kind.
func unknownName(kind, name string) *problem.Error {
	names, bare := namesOf(kind), name
	var hint string
	switch kind {
	case "capability":
		hint = "write a name of capabilities(7) without CAP_, such as NET_BIND_SERVICE"
		bare = strings.TrimPrefix(strings.ToUpper(name), "CAP_")
	case "rlimit":
		bare = strings.TrimPrefix(strings.ToLower(name), "rlimit_")
	case "syscall":
		hint = "write a system call's name, or a group: " + strings.Join(seccomp.GroupNames(), ", ")
	case "probe":
		hint = "write a letter and two digits, as safe-run verify shows them, such as N10"
	case "family":
		hint = "write a name of address_families(7), such as AF_INET"
		if near := Nearest("AF_"+name, names); near != "" {
			bare = near
		}
	}
	if hint == "" {
		hint = "write one of: " + strings.Join(names, ", ")
	}
	return problem.New(hint, "unknown %s %q%s", nameKinds[kind], clip(name), didYouMean(bare, names))
}

// clip bounds text that is shown in an error.
func clip(text string) string {
	const most = 60
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
