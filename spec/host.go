package spec

import "net/netip"

// Tri answers a probe: yes, no, or don't know.
type Tri string

// The three answers.
const (
	Yes     Tri = "yes"
	No      Tri = "no"
	Unknown Tri = "unknown"
)

// Host is what this machine is and can do, as a value.
type Host struct {
	// Executable is the absolute path of safe-run itself, which containers
	// with an init run as their first process.
	Executable string   `json:"executable"`
	Arch       string   `json:"arch"`   // GOARCH: amd64, arm64
	Kernel     string   `json:"kernel"` // uname release
	Cgroup     Cgroup   `json:"cgroup"`
	LSMs       []string `json:"lsms,omitempty"`
	// UserNamespaces: new user namespaces can be made.
	UserNamespaces Tri `json:"userNamespaces"`
	// IDMappedMounts: mount_setattr(2) with MOUNT_ATTR_IDMAP, Linux 5.12.
	IDMappedMounts Tri `json:"idmappedMounts"`
	// OverlayIDMap: overlayfs over idmapped layers, Linux 5.19.
	OverlayIDMap Tri `json:"overlayIDMap"`
	// Seccomp: filters can be installed.
	Seccomp Tri `json:"seccomp"`
	// Nftables: the kernel has nf_tables and the launcher may change it.
	Nftables Tri `json:"nftables"`
	// Sysctls are those of SecondLayers that the kernel has.
	Sysctls []string `json:"sysctls,omitempty"`
	// Landlock is the kernel's version of it (landlock_create_ruleset(2)); 0:
	// there is none.
	Landlock int `json:"landlock,omitempty"`
	// Guard: the administrator has switched the guard on; see Guard.
	Guard bool `json:"guard,omitempty"`
	// Restrictions are the host's own sysctls that keep system calls to its
	// administrator, as far as the kernel has them; see HostRestrictions.
	Restrictions map[string]string `json:"restrictions,omitempty"`
	// SysctlsWritable: /proc/sys can be written, so that they can be set.
	SysctlsWritable Tri `json:"sysctlsWritable,omitempty"`
	// Capabilities of the launcher that are in effect, without CAP_.
	Capabilities []string `json:"capabilities"`
	// Rlimits are the launcher's own hard limits by lower-case name;
	// RlimInfinity where there is none.
	Rlimits map[string]uint64 `json:"rlimits"`
	// CoreHandler: core dumps go to a program of the host, which a limit of 0
	// does not stop (core(5)).
	CoreHandler bool `json:"coreHandler,omitempty"`
	// IDs is the host's range of ids for containers.
	IDs IDRange `json:"ids"`
	// Nameservers are the host's resolvers, loopback ones left out.
	Nameservers []netip.Addr `json:"nameservers,omitempty"`
	// CPUs is the number of processors that are online.
	CPUs int `json:"cpus"`
	// SwapTotal is the size of the host's swap in bytes.
	SwapTotal int64 `json:"swapTotal"`
}

// RlimInfinity is an unlimited resource limit (RLIM_INFINITY).
const RlimInfinity = ^uint64(0)

// Cgroup is the control group set-up of a host.
type Cgroup struct {
	// Version is 1 (also for the hybrid layout) or 2.
	Version int `json:"version"`
	// Driver is "systemd" or "cgroupfs".
	Driver string `json:"driver"`
	// Controllers that can be used: cpu, memory, pids, devices, freezer ...
	Controllers []string `json:"controllers"`
	// SwapLimit: swap of a group can be limited (memory.memsw or memory.swap.max).
	SwapLimit bool `json:"swapLimit"`
}

// IDRange is a span of host uids and gids.
type IDRange struct {
	First uint32 `json:"first"`
	Count uint32 `json:"count"`
}

// IDsPerContainer is the number of ids that each container gets.
const IDsPerContainer = 65536

// HostRestrictions are sysctls of the host that refuse to containers what the
// filter refuses, too. They are looked at, and never set.
func HostRestrictions() []string {
	return []string{
		"kernel.dmesg_restrict", "kernel.io_uring_disabled", "kernel.perf_event_paranoid",
		"kernel.unprivileged_bpf_disabled", "vm.unprivileged_userfaultfd",
	}
}
