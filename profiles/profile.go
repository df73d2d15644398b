// Package profiles holds the policy that a user writes: its types, strict
// decoding, layering (extends and flags), tightening (the meet used by the
// administrator's floor) and comparison.
//
// The package does no I/O. Bytes and fs.FS values come in, values go out.
package profiles

// APIVersion and Kind head every profile document.
const (
	APIVersion = "safe-run.dev/v1"
	Kind       = "Profile"
)

// Profile is one policy document. Every policy field is optional: a field that
// is not set says nothing and leaves the decision to the profile it extends.
//
// The struct tag meet names how two opinions about a field combine when one
// profile is tightened by another; see Tighten. A nil list says nothing; an
// empty list allows nothing.
type Profile struct {
	// APIVersion is the version of the format.
	APIVersion string `yaml:"apiVersion" json:"apiVersion"`
	// Kind is always Profile.
	Kind string `yaml:"kind" json:"kind"`
	// Metadata names the profile.
	Metadata Metadata `yaml:"metadata" json:"metadata"`
	// Extends names the profiles below this one, lowest first: built-in ones,
	// names, or files. One name may be written without a list. A document that
	// is reached in two ways is laid down once, at its lowest place.
	Extends []string `yaml:"extends,omitempty" json:"extends,omitzero" meet:"-" form:"one-or-list"`
	// Replace names lists of this document, such as "seccomp.allow", that
	// take the place of the inherited list and are not merged with it.
	Replace []string `yaml:"replace,omitempty" json:"replace,omitzero" meet:"-" values:"list-path"`

	// Process is what the first process may be.
	Process Process `yaml:"process,omitempty" json:"process,omitzero"`
	// Rootfs is the root filesystem of the container.
	Rootfs Rootfs `yaml:"rootfs,omitempty" json:"rootfs,omitzero"`
	// Mounts is what is mounted over the root filesystem.
	Mounts Mounts `yaml:"mounts,omitempty" json:"mounts,omitzero"`
	// Paths are hidden or read-only inside.
	Paths Paths `yaml:"paths,omitempty" json:"paths,omitzero"`
	// Resources are limits of the whole container.
	Resources Resources `yaml:"resources,omitempty" json:"resources,omitzero"`
	// Seccomp is what the container may ask the kernel for.
	Seccomp Seccomp `yaml:"seccomp,omitempty" json:"seccomp,omitzero"`
	// Network is what the container can reach and who can reach it.
	Network Network `yaml:"network,omitempty" json:"network,omitzero"`
	// Image is what an image must satisfy before it runs.
	Image Image `yaml:"image,omitempty" json:"image,omitzero"`
	// Health is the check that says whether the container does its work.
	Health Health `yaml:"health,omitempty" json:"health,omitzero"`
	// Accept lists the weakenings that are allowed on a host which cannot
	// enforce a setting.
	Accept []Accept `yaml:"accept,omitempty" json:"accept,omitzero" meet:"intersect"`
	// Verify is what safe-run verify is to find as it is. It changes nothing of
	// what is enforced.
	Verify Verify `yaml:"verify,omitempty" json:"verify,omitzero"`

	// Origins says where each set field came from, by field path such as
	// "resources.memory" or "process.capabilities[NET_ADMIN]".
	Origins Origins `yaml:"-" json:"-"`
}

// Metadata names a profile. It takes no part in policy arithmetic.
type Metadata struct {
	// Name is what the profile is called: lower-case letters, digits, ".", "-", "_".
	Name string `yaml:"name" json:"name"`
	// Description says in a line what the profile is for.
	Description string `yaml:"description,omitempty" json:"description,omitempty"`
}

// Origin is the place a setting was written: a profile document with a line,
// or a command-line flag.
type Origin struct {
	Source string `json:"source"`           // "web", "/etc/safe-run/floor.yaml", "flag --memory"
	Line   int    `json:"line,omitempty"`   // 1-based; 0 when the source has no lines
	Column int    `json:"column,omitempty"` // 1-based
	Why    string `json:"why,omitempty"`    // the reason written beside it
}

// Origins maps a field path to its origin.
type Origins map[string]Origin

// Allowance loosens one thing and says why.
type Allowance struct {
	// Allow gives it.
	Allow *bool `yaml:"allow" json:"allow" meet:"and"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why,omitempty" json:"why,omitempty" meet:"-"`
}

// SocketActivation passes the sockets on that a service manager gave to
// safe-run (sd_listen_fds(3)): the container can be reached through them
// without any network of its own.
type SocketActivation struct {
	// Allow gives them to the program.
	Allow *bool `yaml:"allow" json:"allow" meet:"and"`
	// Outbound gives UDP sockets too, and lets the program connect(2). A TCP
	// socket of the host can then be turned round and connected to whatever
	// the host can reach, past the rules of network.egress. Without it
	// connect fails while there is a TCP socket.
	Outbound *bool `yaml:"outbound,omitempty" json:"outbound,omitempty" meet:"and"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why,omitempty" json:"why,omitempty" meet:"-"`
}

// Process is what the first process may be.
type Process struct {
	// RunAsUser is the user id inside the container that is used when the image
	// names no non-root user, or UserFrom is "profile".
	RunAsUser *int64 `yaml:"runAsUser,omitempty" json:"runAsUser,omitempty" meet:"max"`
	// RunAsGroup is the group id that goes with RunAsUser.
	RunAsGroup *int64 `yaml:"runAsGroup,omitempty" json:"runAsGroup,omitempty" meet:"max"`
	// UserFrom is "image" (a non-root user named by the image is used) or
	// "profile" (RunAsUser is used whatever the image says).
	UserFrom *UserFrom `yaml:"userFrom,omitempty" json:"userFrom,omitempty" meet:"enum"`
	// Root allows uid 0 inside the user namespace.
	Root *Allowance `yaml:"root,omitempty" json:"root,omitempty"`
	// SocketActivation allows the service manager's sockets inside.
	SocketActivation *SocketActivation `yaml:"socketActivation,omitempty" json:"socketActivation,omitempty"`
	// Capabilities are those left to the first process, in all five sets.
	Capabilities []Capability `yaml:"capabilities,omitempty" json:"capabilities,omitzero" meet:"intersect"`
	// Rlimits are limits of each process, by name without the RLIMIT_ prefix in
	// lower case: core, nofile.
	Rlimits []Rlimit `yaml:"rlimits,omitempty" json:"rlimits,omitzero" meet:"union"`
	// Init runs a first process that forwards signals and reaps zombies.
	Init *bool `yaml:"init,omitempty" json:"init,omitempty" meet:"or"`
	// StopSignal is sent first on stop, SIGKILL after StopTimeout. Without it
	// the image's own stop signal is sent, or SIGTERM. No signal is looser than
	// another.
	StopSignal *Signal `yaml:"stopSignal,omitempty" json:"stopSignal,omitempty" meet:"neutral"`
	// StopTimeout is how long the program has to end by itself: 10s, 1m30s.
	StopTimeout *Duration `yaml:"stopTimeout,omitempty" json:"stopTimeout,omitempty" meet:"min"`
	// OOMScoreAdj is the kernel's oom_score_adj of the first process, 0 to 1000.
	OOMScoreAdj *int64 `yaml:"oomScoreAdj,omitempty" json:"oomScoreAdj,omitempty" meet:"max"`
}

// Capability is one Linux capability, named without CAP_.
type Capability struct {
	// Name is a name of capabilities(7) without CAP_.
	Name string `yaml:"name" json:"name" key:"true" values:"capability"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why" json:"why" meet:"-"`
}

// Rlimit bounds one resource of a process (setrlimit(2)).
type Rlimit struct {
	// Name is a name of setrlimit(2) without RLIMIT_, in lower case.
	Name string `yaml:"name" json:"name" key:"true" values:"rlimit"`
	// Soft is the limit at the start; a process can raise it up to Hard.
	Soft *int64 `yaml:"soft" json:"soft" meet:"min"`
	// Hard is the limit that a process cannot raise.
	Hard *int64 `yaml:"hard" json:"hard" meet:"min"`
}

// Rootfs is the root filesystem of the container.
type Rootfs struct {
	// ReadOnly mounts the image read-only. False needs Why; writes then go to
	// a tmpfs that ends with the container.
	ReadOnly *bool `yaml:"readOnly,omitempty" json:"readOnly,omitempty" meet:"or"`
	// Size bounds what is written when ReadOnly is false: 256MiB.
	Size *Bytes `yaml:"size,omitempty" json:"size,omitempty" meet:"min"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why,omitempty" json:"why,omitempty" meet:"-"`
}

// Mounts is what is mounted over the root filesystem.
type Mounts struct {
	// Tmpfs are the writable places in memory.
	Tmpfs []Tmpfs `yaml:"tmpfs,omitempty" json:"tmpfs,omitzero" meet:"intersect"`
	// HostPaths are the sensitive host paths (runtime sockets, /etc, /proc ...)
	// that a bind mount may name all the same. Ordinary paths need no entry.
	HostPaths []HostPath `yaml:"hostPaths,omitempty" json:"hostPaths,omitzero" meet:"intersect"`
	// Volumes allows volumes of safe-run's own, by name or without one. They
	// show nothing of the host, and outlive the container.
	Volumes *bool `yaml:"volumes,omitempty" json:"volumes,omitempty" meet:"and"`
}

// Tmpfs is a memory filesystem, always nosuid and nodev.
type Tmpfs struct {
	// Path is where it is mounted inside.
	Path string `yaml:"path" json:"path" key:"true"`
	// Size bounds its content, which counts as memory of the container: 64MiB.
	Size *Bytes `yaml:"size,omitempty" json:"size,omitempty" meet:"min"`
	// Inodes bounds the files and directories; without it one for each 4 KiB
	// of Size, and at least 1024.
	Inodes *int64 `yaml:"inodes,omitempty" json:"inodes,omitempty" meet:"min"`
	// Mode is the octal mode of its root directory: 01777.
	//
	// When tightened, permission bits meet by intersection, and the sticky bit
	// by union, because it restricts.
	Mode *Mode `yaml:"mode,omitempty" json:"mode,omitempty" meet:"mode"`
	// Exec drops noexec, and needs Why.
	Exec *bool `yaml:"exec,omitempty" json:"exec,omitempty" meet:"and"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why,omitempty" json:"why,omitempty" meet:"-"`
}

// HostPath allows one sensitive host path to be bind mounted.
type HostPath struct {
	// Path is the path on the host.
	Path string `yaml:"path" json:"path" key:"true"`
	// Write allows a mount that is not read-only.
	Write *bool `yaml:"write,omitempty" json:"write,omitempty" meet:"and"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why" json:"why" meet:"-"`
}

// Paths are hidden or read-only inside, beside the mounts.
type Paths struct {
	// Masked paths are empty inside; those that do not exist are skipped.
	Masked []string `yaml:"masked,omitempty" json:"masked,omitzero" meet:"union"`
	// ReadOnly paths can be read and not written.
	ReadOnly []string `yaml:"readOnly,omitempty" json:"readOnly,omitzero" meet:"union"`
}

// Resources are cgroup limits of the whole container.
type Resources struct {
	// Memory that all processes together can use: 512MiB.
	Memory *Bytes `yaml:"memory,omitempty" json:"memory,omitempty" meet:"min"`
	// Swap that can be used beside Memory; 0 is none.
	Swap *Bytes `yaml:"swap,omitempty" json:"swap,omitempty" meet:"min"`
	// CPUs is processor time, in processors: 1, 0.5, 500m.
	CPUs *MilliCPU `yaml:"cpus,omitempty" json:"cpus,omitempty" meet:"min"`
	// Pids is how many processes and threads there can be.
	Pids *int64 `yaml:"pids,omitempty" json:"pids,omitempty" meet:"min"`
}

// Seccomp is the system call allow-list. Names that begin with @ are groups.
type Seccomp struct {
	// Allow lists the system calls and groups that are open; all others fail.
	Allow []Syscall `yaml:"allow,omitempty" json:"allow,omitzero" meet:"method"`
	// AddressFamilies are those that socket(2) may name: AF_INET, AF_UNIX ...
	AddressFamilies []Family `yaml:"addressFamilies,omitempty" json:"addressFamilies,omitzero" meet:"intersect"`
	// OnViolation is what follows when the container tries what is refused.
	OnViolation OnViolation `yaml:"onViolation,omitempty" json:"onViolation,omitzero"`
}

// OnViolation is what follows a refused call, by how much it looks like an
// attack: "log", "freeze" (the whole container is paused) or "kill".
type OnViolation struct {
	// High is for what hardly any program has a reason for: mounts, new
	// namespaces, other processes' memory, kernel code.
	High *Reaction `yaml:"high,omitempty" json:"high,omitempty" meet:"enum"`
	// Medium is for other dangerous calls, and rare address families.
	Medium *Reaction `yaml:"medium,omitempty" json:"medium,omitempty" meet:"enum"`
	// Low is for what programs try, and mostly go on without.
	Low *Reaction `yaml:"low,omitempty" json:"low,omitempty" meet:"enum"`
}

// Syscall allows one system call or one group.
type Syscall struct {
	// Name is a system call, or a group that begins with @.
	Name string `yaml:"name" json:"name" key:"true" values:"syscall"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why" json:"why" meet:"-"`
}

// Family allows one socket address family.
type Family struct {
	// Name is a name of address_families(7), such as AF_INET.
	Name string `yaml:"name" json:"name" key:"true" values:"family"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why" json:"why" meet:"-"`
}

// Network is what the container can reach and who can reach it.
type Network struct {
	// Mode is "none" (a loopback interface and nothing else) or "bridge".
	Mode *NetworkMode `yaml:"mode,omitempty" json:"mode,omitempty" meet:"enum"`
	// Egress lists where new connections may go. Without an entry only
	// answers to published ports leave the container. Other containers, the
	// host's own addresses and link-local addresses are never reachable.
	Egress []Egress `yaml:"egress,omitempty" json:"egress,omitzero" meet:"method"`
	// UnprivilegedPortStart is net.ipv4.ip_unprivileged_port_start inside: the
	// lowest port that can be bound without a capability.
	UnprivilegedPortStart *int64 `yaml:"unprivilegedPortStart,omitempty" json:"unprivilegedPortStart,omitempty" meet:"max"`
	// Why says why the container has a network at all; needed unless Mode is none.
	Why string `yaml:"why,omitempty" json:"why,omitempty" meet:"-"`
}

// Egress allows new connections to a destination.
type Egress struct {
	// To is a CIDR, an address, or "internet": every public unicast address,
	// which leaves out private, shared, link-local, loopback and multicast
	// ranges. "internet4" and "internet6" are its two halves.
	To string `yaml:"to" json:"to"`
	// Ports such as "443/tcp", "53/udp" or "8000-8100/tcp"; none means all.
	Ports []string `yaml:"ports,omitempty" json:"ports,omitzero"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why" json:"why"`
}

// Accept accepts one weakening by name.
type Accept struct {
	// Name is the weakening's name.
	Name string `yaml:"name" json:"name" key:"true" values:"weakening"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why" json:"why" meet:"-"`
}

// Verify is what safe-run verify is to find as it is.
type Verify struct {
	// Allow lists the attacks of the battery that the profile lets through on
	// purpose, each with its reason: a server is to use the network. Everything
	// else that is let through is a failure.
	Allow []Exception `yaml:"allow,omitempty" json:"allow,omitzero" meet:"intersect"`
}

// Exception is one attack that is let through on purpose.
type Exception struct {
	// Probe is the attack's id in the battery: N10.
	Probe string `yaml:"probe" json:"probe" key:"true" values:"probe"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why" json:"why" meet:"-"`
}
