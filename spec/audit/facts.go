package audit

import "slices"

// Answer is a fact with where it is said. What is not Known is decided elsewhere,
// and Note says where; for what is Known, Note says by whom when it is not the
// input that says it.
type Answer[T any] struct {
	Is    T
	Known bool
	At    Place
	Note  string
}

// Said is a fact that the input states.
func Said[T any](is T, at Place) Answer[T] { return Answer[T]{Is: is, Known: true, At: at} }

// Default is a fact that follows from the input's silence.
func Default[T any](is T, note string) Answer[T] { return Answer[T]{Is: is, Known: true, Note: note} }

// Elsewhere is a fact that something else decides.
func Elsewhere[T any](note string) Answer[T] { return Answer[T]{Note: note} }

// Filter is what there is of a system call filter.
type Filter string

// The filters, weakest first. OpenByDefault refuses a list and lets the rest pass.
const (
	NoFilter       Filter = "none"
	OpenByDefault  Filter = "a list of refusals"
	RuntimeDefault Filter = "the runtime's default"
	AllowList      Filter = "an allow-list"
)

// Confinement is what there is of AppArmor and SELinux.
type Confinement string

// The confinements.
const (
	Unconfined Confinement = "unconfined"
	Confined   Confinement = "confined"
)

// Reach is where a container can connect to.
type Reach string

// The reaches.
const (
	ReachNothing Reach = "nothing"
	ReachListed  Reach = "a list"
	ReachAll     Reach = "everything"
)

// Facts are what an input says of one container. Every input is read into these,
// and none of them knows what kind it was.
type Facts struct {
	// Subject is the container, of an input of several.
	Subject string

	Seccomp Answer[Filter]
	// Capabilities are those that the first process can have, without CAP_.
	Capabilities Answer[[]string]
	Privileged   Answer[bool]
	// NoNewPrivileges is set.
	NoNewPrivileges Answer[bool]
	// Root: the first process is uid 0 inside.
	Root Answer[bool]
	// UserNamespace, and the other namespaces: it has one of its own.
	UserNamespace, PID, IPC, Network, UTS, CgroupNS Answer[bool]
	ReadOnlyRoot                                    Answer[bool]
	// Memory, CPU, Pids: there is a limit.
	Memory, CPU, Pids Answer[bool]
	// Rlimits and Logs are bounded.
	Rlimits, Logs Answer[bool]
	Tmpfs         []Tmpfs
	// Masked: the usual paths of /proc and /sys are hidden or read-only.
	Masked Answer[bool]
	Mounts []Mount
	// SharedRoot: what is mounted anywhere inside appears on the host.
	SharedRoot Answer[bool]
	Devices    []Named
	LSM        Answer[Confinement]
	Reach      Answer[Reach]
	Ports      []Port
	Sysctls    []Named
	// OwnCgroup: its control group is where the runtime puts it.
	OwnCgroup Answer[bool]
	// Image is what runs; empty where there is none. Pinned: by digest.
	Image  Answer[string]
	Pinned bool
}

// Tmpfs is a filesystem in memory.
type Tmpfs struct {
	Path                     string
	Bounded, Exec, Suid, Dev bool
	At                       Place
}

// Mount is something of the host that is visible inside.
type Mount struct {
	Host, Inside string
	Writable     bool
	// Shared: what is mounted inside appears on the host.
	Shared bool
	At     Place
}

// Named is a thing with its place.
type Named struct {
	Name string
	At   Place
}

// Port is one that the host listens on.
type Port struct {
	// HostIP is empty for all addresses; Host 0 is a free port.
	HostIP string
	Host   uint16
	At     Place
}

// DockerCapabilities are those that docker, containerd and CRI-O give to who asks
// for nothing (moby's profiles/defaults).
func DockerCapabilities() []string {
	return []string{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
		"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
}

// escapes are capabilities that are the host's, in whole or nearly so
// (capabilities(7)): with each of them there is a published way out.
var escapes = []string{
	"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_PTRACE", "DAC_READ_SEARCH", "BPF", "SYS_BOOT", "MAC_ADMIN", "MAC_OVERRIDE",
}

// strong are capabilities that reach the host without being a way out by themselves.
var strong = []string{
	"NET_ADMIN", "PERFMON", "SYSLOG", "SYS_TIME", "SYS_NICE", "SYS_RESOURCE", "SYS_PACCT", "SYS_TTY_CONFIG", "LINUX_IMMUTABLE", "CHECKPOINT_RESTORE",
	"IPC_OWNER", "AUDIT_CONTROL", "AUDIT_READ", "NET_BROADCAST", "WAKE_ALARM", "BLOCK_SUSPEND",
}

func within(names, list []string) []string {
	var out []string
	for _, n := range names {
		if slices.Contains(list, n) {
			out = append(out, n)
		}
	}
	return out
}
