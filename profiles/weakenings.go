package profiles

// Weakening is something a host may be unable to enforce, which a profile can
// accept by name.
type Weakening struct {
	Name    string // as written under accept
	Meaning string // what is lost when it is accepted
}

// The names of the weakenings.
const (
	WeakUserNamespace    = "user-namespace"
	WeakIDMappedMounts   = "idmapped-mounts"
	WeakSeccomp          = "seccomp"
	WeakMemoryLimit      = "memory-limit"
	WeakSwapLimit        = "swap-limit"
	WeakCPULimit         = "cpu-limit"
	WeakPidsLimit        = "pids-limit"
	WeakOOMGroup         = "oom-group"
	WeakRlimits          = "rlimits"
	WeakNetworkIsolation = "network-isolation"
	WeakReadOnlyPaths    = "read-only-paths"
	WeakNamespaceSysctls = "namespace-sysctls"
	WeakLandlock         = "landlock"
	WeakGuard            = "guard"
)

var weakenings = []Weakening{
	{WeakUserNamespace, "ids inside are the host's own ids: an escape has the rights of that user on the host"},
	{WeakIDMappedMounts, "files of the image and of bind mounts are not seen with their true owners, and may be unreadable or belong to a shifted id on the host"},
	{WeakSeccomp, "every system call of the kernel is open to the container"},
	{WeakMemoryLimit, "the container can use all memory of the host"},
	{WeakSwapLimit, "the container can push memory beyond its limit into the host's swap"},
	{WeakCPULimit, "the container can use all processors of the host"},
	{WeakPidsLimit, "a fork bomb in the container can use up the host's process ids"},
	{WeakOOMGroup, "when memory runs out the kernel kills one process and leaves the others of the container running"},
	{WeakRlimits, "a limit that the launcher may not set is left as the host has it"},
	{WeakNetworkIsolation, "the container's connections are not filtered: it may reach other containers, the host and cloud metadata"},
	{WeakReadOnlyPaths, "paths that should be hidden or read-only stay as the kernel shows them"},
	{WeakNamespaceSysctls, "the filter alone refuses further namespaces, fanotify and programs in memory"},
	{WeakLandlock, "mounts and owners alone say which files may be written and run; it is left out on every host, for a program that makes mounts or looks into processes that another exec started"},
	{WeakGuard, "what the filter and the masks refuse is refused by them alone, although the administrator of this host has switched the guard on"},
}

// Weakenings lists what can be accepted, in a fixed order.
func Weakenings() []Weakening { return append([]Weakening(nil), weakenings...) }
