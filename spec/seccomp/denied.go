package seccomp

import "slices"

// denials are the system calls that fail with EPERM instead of ENOSYS: they
// are known to be dangerous, no C library falls back from them, and EPERM is
// what programs expect of a call that is not for them.
//
// A profile can still allow one by its own name, never by a group.
var denials = []Set{
	{"mounts: the view of the filesystem is what the sandbox is made of", []string{
		"fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree",
		"open_tree_attr", "pivot_root", "umount2",
	}},
	{"namespaces: a new user namespace opens kernel code that only root could reach", []string{
		"setns", "unshare",
	}},
	{"a new root directory", []string{"chroot"}},
	{"other processes' memory and descriptors", []string{
		"kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace",
	}},
	{"kernel code: modules, other kernels, programs inside the kernel", []string{
		"bpf", "create_module", "delete_module", "finit_module", "get_kernel_syms", "init_module",
		"kexec_file_load", "kexec_load", "query_module",
	}},
	{"large kernel surfaces with a history of holes", []string{
		"io_uring_enter", "io_uring_register", "io_uring_setup", "perf_event_open", "userfaultfd",
	}},
	{"keyrings are not namespaced", []string{"add_key", "keyctl", "request_key"}},
	{"files by handle: shocker reads the host's files this way", []string{
		"name_to_handle_at", "open_by_handle_at",
	}},
	{"device nodes, and setuid bits at creation", []string{"mknod", "mknodat"}},
	{"the host's clock", []string{"adjtimex", "clock_adjtime", "clock_settime", "settimeofday"}},
	{"the host's power, swap, accounting, quotas and kernel log", []string{
		"acct", "quotactl", "quotactl_fd", "reboot", "swapoff", "swapon", "syslog",
	}},
	{"the host's name", []string{"setdomainname", "sethostname"}},
	{"hardware ports and segment descriptors", []string{"ioperm", "iopl", "modify_ldt"}},
	{"the terminal of others", []string{"vhangup"}},
	{"watching every file of a filesystem", []string{"fanotify_init", "fanotify_mark"}},
	{"moving pages of processes between nodes", []string{"migrate_pages", "move_pages"}},
	{"memory that the kernel itself cannot look at", []string{"memfd_secret"}},
	{"dead or never used outside the kernel's own tools", []string{
		"_sysctl", "lookup_dcookie", "nfsservctl", "uselib", "ustat", "sysfs",
	}},
}

// privileged are harmless calls that the kernel itself answers with EPERM when
// somebody without capabilities makes them. Programs are written for that
// answer (cp -a goes on after a chown that fails so), so it is ours as well
// when a profile does not allow them.
var privileged = []Set{
	{"owners of files", []string{"chown", "fchown", "fchownat", "lchown"}},
	{"changing user and group", []string{
		"capset", "setfsgid", "setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid", "setuid",
	}},
	{"real-time scheduling", []string{"sched_setattr", "sched_setparam", "sched_setscheduler"}},
}

// unfilterable calls take flags from memory, where a filter cannot look. They
// always fail with ENOSYS, so that the C library uses the older call.
var unfilterable = []Syscall{
	{"clone3", "its flags could make new namespaces"},
	{"openat2", "its mode could set the setuid bit"},
}

// Syscall is a system call with a reason.
type Syscall struct {
	Name string
	Why  string
}

// Denied says why name is dangerous, when it is.
func Denied(name string) (why string, denied bool) {
	for _, set := range denials {
		if slices.Contains(set.Names, name) {
			return set.Why, true
		}
	}
	return "", false
}

// Unfilterable says why no policy can allow name, when none can.
func Unfilterable(name string) (why string, ok bool) {
	for _, s := range unfilterable {
		if s.Name == name {
			return s.Why, true
		}
	}
	return "", false
}
