package spec

import (
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
)

// secondLayer is a sysctl of one of the container's own namespaces, behind the
// filter: what it refuses stays refused where a filter has a hole. OCI knows
// these sysctls, and libcontainer accepts none of them, so that the sandbox
// writes them itself while the first process waits.
type secondLayer struct {
	key, value string
	// namespace is the one that the sysctl belongs to; elsewhere it would be the
	// host's.
	namespace specs.LinuxNamespaceType
	// unless is a system call that is of no use with it: a profile that allows
	// the call goes without. byName: only by the call's own name, not by a group.
	unless string
	byName bool
	refuse string // what is refused, for people
	since  string // the kernel that first has it
}

const (
	noNamespaces = "further namespaces"
	noWatching   = "watching filesystems"
	noMemfdExec  = "programs in memory"
	noSharing    = "shared memory of System V"
)

var secondLayers = []secondLayer{
	// user_namespaces(7), namespaces(7): a new one fails with ENOSPC. They count
	// what is made below the container's user namespace, whoever makes it. Not
	// user.max_mnt_namespaces: a detached mount counts as one (fsmount(2)), and
	// libcontainer finds its own /proc through one when a further process joins.
	{"user.max_user_namespaces", "0", specs.UserNamespace, "unshare", false, noNamespaces, "4.9"},
	{"user.max_net_namespaces", "0", specs.UserNamespace, "unshare", false, noNamespaces, "4.9"},
	{"user.max_pid_namespaces", "0", specs.UserNamespace, "unshare", false, noNamespaces, "4.9"},
	{"user.max_ipc_namespaces", "0", specs.UserNamespace, "unshare", false, noNamespaces, "4.9"},
	{"user.max_uts_namespaces", "0", specs.UserNamespace, "unshare", false, noNamespaces, "4.9"},
	{"user.max_cgroup_namespaces", "0", specs.UserNamespace, "unshare", false, noNamespaces, "4.9"},
	{"user.max_time_namespaces", "0", specs.UserNamespace, "unshare", false, noNamespaces, "5.6"},
	// fanotify(7): EMFILE.
	{"user.max_fanotify_groups", "0", specs.UserNamespace, "fanotify_init", false, noWatching, "5.13"},
	// memfd_create(2): a file made with MFD_EXEC is refused, and any other cannot
	// be executed, both with EACCES (kernel commit 105ff5339f49).
	{"vm.memfd_noexec", "2", specs.PIDNamespace, "memfd_create", true, noMemfdExec, "6.3"},
	// shmget(2): ENOSPC, as many segments as there may be (ipc_addid() in ipc/util.c).
	{"kernel.shmmni", "0", specs.IPCNamespace, "shmget", false, noSharing, "2.6.19"},
}

// SecondLayers are the sysctls that a plan may set inside a container, for a
// probe to look which of them this kernel has.
func SecondLayers() []string {
	var keys []string
	for _, l := range secondLayers {
		keys = append(keys, l.key)
	}
	return keys
}

// secondLayers sets those that the profile's own calls leave room for.
func (c *compiler) secondLayers() error {
	if c.lost.has(profiles.WeakNamespaceSysctls) {
		return nil
	}
	refused, missing := map[string]bool{}, map[string]bool{}
	for _, l := range secondLayers {
		switch {
		case c.lets(l), l.namespace == specs.UserNamespace && c.lost.has(profiles.WeakUserNamespace):
		case !slices.Contains(c.in.Host.Sysctls, l.key):
			missing[l.key+" (Linux "+l.since+")"] = true
		default:
			if c.plan.Namespaced == nil {
				c.plan.Namespaced = map[string]string{}
			}
			c.plan.Namespaced[l.key] = l.value
			refused[l.refuse] = true
		}
	}
	if len(refused) > 0 {
		c.decide(Decision{
			Setting: "second layers", Value: "no " + strings.Join(slices.Sorted(maps.Keys(refused)), ", "), Source: fromSafeRun,
			Why: "sysctls of the container's own namespaces refuse it, should the filter have a hole",
		})
	}
	if len(missing) > 0 {
		c.decide(Decision{
			Setting: "second layers", Value: "without " + strings.Join(slices.Sorted(maps.Keys(missing)), ", "), Source: fromHost,
			Why: "this kernel does not have it; the filter holds alone",
		})
	}
	return nil
}

// lets reports whether the profile allows what the layer would refuse.
func (c *compiler) lets(l secondLayer) bool {
	if !l.byName {
		return c.allowsSyscall(l.unless)
	}
	return slices.ContainsFunc(c.in.Profile.Seccomp.Allow, func(s profiles.Syscall) bool { return s.Name == l.unless })
}

// namespaced: what is written inside is known, and of a namespace that is the
// container's own.
func (v *validator) namespaced() {
	for key, value := range v.plan.Namespaced {
		i := slices.IndexFunc(secondLayers, func(l secondLayer) bool { return l.key == key && l.value == value })
		v.must(i >= 0, "%s=%s is not written inside a container", key, value)
		v.must(i < 0 || v.own(secondLayers[max(i, 0)].namespace), "%s would be the host's", key)
	}
}

// own reports whether the plan makes a new namespace of a kind.
func (v *validator) own(kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(v.plan.OCI.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind && n.Path == "" })
}
