package seccomp

import (
	"slices"

	"github.com/safe-run/safe-run/spec/event"
)

// need is what the kernel itself asks of who makes a call, when the filter
// would let it through (capabilities(7), user_namespaces(7)).
type need struct {
	names []string
	// capability is needed in the container's own user namespace; host says
	// that no process of a user namespace can have what is needed.
	capability string
	host       bool
}

var needs = []need{
	{[]string{
		"fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree", "open_tree_attr",
		"pivot_root", "umount2", "setns", "sethostname", "setdomainname",
	}, "SYS_ADMIN", false},
	{[]string{"chroot"}, "SYS_CHROOT", false},
	{[]string{"chown", "fchown", "fchownat", "lchown"}, "CHOWN", false},
	{[]string{"setfsuid", "setresuid", "setreuid", "setuid"}, "SETUID", false},
	{[]string{"setfsgid", "setgid", "setgroups", "setregid", "setresgid"}, "SETGID", false},
	{[]string{"reboot"}, "SYS_BOOT", false},
	{[]string{
		"acct", "adjtimex", "clock_adjtime", "clock_settime", "create_module", "delete_module", "finit_module",
		"init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load", "open_by_handle_at", "quotactl",
		"quotactl_fd", "settimeofday", "swapoff", "swapon", "syslog", "vhangup",
	}, "", true},
}

// grave are the calls that hardly any program has a reason for: signs of an
// attack.
var grave = []string{
	"bpf", "chroot", "create_module", "delete_module", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
	"init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load", "mount", "mount_setattr", "move_mount",
	"name_to_handle_at", "open_by_handle_at", "open_tree", "open_tree_attr", "pidfd_getfd", "pivot_root",
	"process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "setns", "swapoff", "swapon", "umount2",
	"unshare", "userfaultfd",
}

// common are dangerous calls that ordinary programs try, and go on without.
var common = []string{
	"capset", "clock_adjtime", "adjtimex", "fanotify_init", "fanotify_mark", "io_uring_enter", "io_uring_register", "io_uring_setup",
	"migrate_pages", "move_pages", "syslog", "vhangup",
}

// gravity says how much a refused call looks like an attack.
func gravity(name string) event.Severity {
	_, dangerous := Denied(name)
	switch {
	case slices.Contains(grave, name):
		return event.High
	case slices.Contains(common, name), !dangerous:
		return event.Low
	}
	return event.Medium
}

// harmless says whether programs that are refused a call go on without it: newer
// calls with an older way, and changes of user to the one that they are.
func harmless(name string) bool {
	return slices.Contains(common, name) || slices.Contains(Expand([]string{"@modern", "@identity"}), name)
}

// needOf is what the kernel asks of who calls name.
func needOf(name string) need {
	for _, n := range needs {
		if slices.Contains(n.names, name) {
			return n
		}
	}
	return need{}
}
