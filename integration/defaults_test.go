package integration

import (
	"regexp"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
)

// control is one line of the promise: what a container sees under the default
// profile, and that the same look sees something else when a profile takes the
// control away. Where no profile can, the look is made on the host instead.
type control struct {
	name    string
	look    string // peek's words
	want    string // a regular expression for the whole line
	without string // the profile that takes the control away; empty: look on the host
	sees    string // then: a regular expression for the whole line
}

var controls = []control{
	// Who.
	{"user is 65532", "id", `65532:65532`,
		`process: {runAsUser: 12345, runAsGroup: 12346, userFrom: profile}`, `12345:12346`},
	{"root only when allowed", "id", `65532:65532`,
		"process:\n  runAsUser: 0\n  runAsGroup: 0\n  root: {allow: true, why: test}", `0:0`},
	{"a range of 65,536 user ids", "idmap uid", `0 [1-9]\d{4,} 65536`, "", `0 0 4294967295`},
	{"a range of 65,536 group ids", "idmap gid", `0 [1-9]\d{4,} 65536`, "", `0 0 4294967295`},
	{"no supplementary groups", "status Groups", ``, "", `.*`},

	// The root filesystem and what is mounted on it.
	{"root filesystem is read-only", "write /open/file", `EROFS`,
		`rootfs: {readOnly: false, size: 16MiB, why: test}`, `ok`},
	{"/tmp is noexec, nosuid, nodev", "mount /tmp", `tmpfs nodev,noexec,nosuid,rw`,
		`mounts: {tmpfs: [{path: /tmp, exec: true, why: test}]}`, `tmpfs nodev,nosuid,rw`},
	{"/run is noexec, nosuid, nodev", "mount /run", `tmpfs nodev,noexec,nosuid,rw`,
		`mounts: {tmpfs: [{path: /run, exec: true, why: test}]}`, `tmpfs nodev,nosuid,rw`},
	{"/dev/shm is noexec, nosuid, nodev", "mount /dev/shm", `tmpfs nodev,noexec,nosuid,rw`,
		`mounts: {tmpfs: [{path: /dev/shm, exec: true, why: test}]}`, `tmpfs nodev,nosuid,rw`},
	{"nothing runs from /tmp", "exec /tmp", `EACCES`,
		`mounts: {tmpfs: [{path: /tmp, exec: true, why: test}]}`, `ok`},
	{"nothing runs from /dev/shm", "exec /dev/shm", `EACCES`,
		`mounts: {tmpfs: [{path: /dev/shm, exec: true, why: test}]}`, `ok`},
	{"/tmp holds 64 MiB", "fill /tmp 65", `ENOSPC`,
		`mounts: {tmpfs: [{path: /tmp, size: 80MiB}]}`, `ok`},
	{"/run holds 16 MiB", "fill /run 17", `ENOSPC`,
		`mounts: {tmpfs: [{path: /run, size: 32MiB}]}`, `ok`},
	{"/dev/shm holds 64 MiB", "fill /dev/shm 65", `ENOSPC`,
		`mounts: {tmpfs: [{path: /dev/shm, size: 80MiB}]}`, `ok`},
	{"/tmp has a limit of inodes", "inodes /tmp 16384", `ENOSPC`,
		"mounts: {tmpfs: [{path: /tmp, inodes: 20000}]}", `ok`},
	{"/dev is minimal", "ls /dev", `(console )?(core )?fd full (mqueue )?null ptmx pts random shm stderr stdin stdout tty urandom zero`, "", `.*(vda|sda|loop0|kmsg|tty1).*`},
	{"no device node can be made", "mknod /tmp/null", `EPERM`, "", `ok`},
	{"no setuid bit can be set", "setuid /tmp", `EPERM`, "", `ok`},
	{"mounts are private", "propagation", `private`, "", `.*`},

	// Capabilities and privileges.
	{"inheritable capabilities", "status CapInh", `0{16}`, bindCapability, `0{13}400`},
	{"permitted capabilities", "status CapPrm", `0{16}`, bindCapability, `0{13}400`},
	{"effective capabilities", "status CapEff", `0{16}`, bindCapability, `0{13}400`},
	{"bounding capabilities", "status CapBnd", `0{16}`, bindCapability, `0{13}400`},
	{"ambient capabilities", "status CapAmb", `0{16}`, bindCapability, `0{13}400`},
	{"no new privileges", "status NoNewPrivs", `1`, "", `0`},

	// System calls.
	{"a seccomp filter", "status Seccomp", `2`, "", `0`},
	{"keyctl", "call keyctl 0 -3 0", `EPERM`, allowCall("keyctl"), `ok`},
	{"ptrace", "call ptrace 0 0 0 0", `EPERM`, allowCall("ptrace"), `ok`},
	{"io_uring", "call io_uring_setup 1 0", `EPERM`, allowCall("io_uring_setup"), `EFAULT`},
	{"personality", "call personality 0x0040000", `EPERM|ENOSYS`, "", `ok`},
	{"process_vm_readv", "call process_vm_readv 1 0 0 0 0 0", `EPERM`, allowCall("process_vm_readv"), `ok|ESRCH`},
	{"userfaultfd", "call userfaultfd 1", `EPERM`, allowCall("userfaultfd"), `ok`},
	{"mount", "call mount 0 s:/nx 0 0 0", `EPERM`, "", `ENOENT`},
	{"unshare", "call unshare 0x20000", `EPERM`, "", `ok`},
	{"new user namespace", "userns", `EPERM|ENOSPC`, "", `ok`},
	{"no namespaces behind the filter", "read /proc/sys/user/max_user_namespaces", `0`, allowCall("unshare"), `[1-9]\d*`},
	{"no network namespaces behind the filter", "read /proc/sys/user/max_net_namespaces", `0`, allowCall("unshare"), `[1-9]\d*`},
	{"no fanotify behind the filter", "read /proc/sys/user/max_fanotify_groups", `0|ENOENT`, allowCall("fanotify_init"), `[1-9]\d*|ENOENT`},
	{"no programs in memory behind the filter", "read /proc/sys/vm/memfd_noexec", `2|ENOENT`, allowCall("memfd_create"), `0|1|ENOENT`},
	{"clone3 does not exist", "call clone3 0 1", `ENOSYS`, "", `EINVAL`},
	{"unknown calls do not exist", "call 1000", `ENOSYS`, "", `ENOSYS`},
	{"32-bit calls", "int80", `killed by SIGSYS|absent`, "", `ran, true|absent`},
	{"input cannot be faked", "call ioctl 0 0x5412 0", `EPERM`, "", `ENOTTY|EIO|EFAULT|EPERM`},
	{"input cannot be faked with high bits", "call ioctl 0 0x7f00005412 0", `EPERM`, "", `ENOTTY|EIO|EFAULT|EPERM`},
	{"AF_ALG", "socket AF_ALG 5 0", `EPERM|EAFNOSUPPORT`,
		`seccomp: {addressFamilies: [{name: AF_ALG, why: test}]}`, `ok|EAFNOSUPPORT`},
	{"AF_VSOCK", "socket AF_VSOCK 1 0", `EPERM|EAFNOSUPPORT`,
		`seccomp: {addressFamilies: [{name: AF_VSOCK, why: test}]}`, `ok`},

	// Limits.
	{"no core files", "corelimit", `0:0`,
		`process: {rlimits: [{name: core, soft: 4096, hard: 8192}]}`, `4096:8192`},
	{"open files are limited", "dup 4096", `EMFILE`,
		`process: {rlimits: [{name: nofile, soft: 6000, hard: 6000}]}`, `ok`},
	{"memory is 512 MiB", "alloc 600", ``, `resources: {memory: 800MiB}`, `ok 600`},
	{"memory kills the whole group", "oomchild 600", ``, `resources: {memory: 800MiB}`, `survived`},
	{"128 processes", "fork 60", `EAGAIN`, `resources: {pids: 2000}`, `ok`},
}

// bindCapability leaves one capability.
const bindCapability = `process: {capabilities: [{name: NET_BIND_SERVICE, why: test}]}`

// allowCall leaves one system call.
func allowCall(name string) string {
	return "seccomp: {allow: [{name: " + name + ", why: test}]}"
}

func init() {
	// The masked and read-only paths of /proc and /sys.
	for _, path := range []string{"/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/kallsyms", "/proc/interrupts", "/sys/firmware", "/sys/kernel/vmcoreinfo"} {
		controls = append(controls, control{path + " is hidden", "count " + path, `0|ENOENT|EACCES`, `paths: {masked: []}`, `[1-9]\d*|E[A-Z]+|0`})
	}
	for _, path := range []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"} {
		without := `paths: {readOnly: []}`
		if path == "/proc/sys" {
			without = "" // no profile can
		}
		controls = append(controls, control{path + " is read-only", "mount " + path, `proc nodev,noexec,nosuid,ro`, without, `none`})
	}
}

func TestDefaults(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	for _, c := range controls {
		t.Run(c.name, func(t *testing.T) {
			got := peek(t, nil, strings.Fields(c.look)...)
			if !whole(c.want, got.line()) {
				t.Errorf("peek %s: got %q (exit code %d), want %s\n%s", c.look, got.line(), got.code, c.want, got.err)
			}
			if c.without == "" {
				if seen := outside(t, strings.Fields(c.look)...); !whole(c.sees, seen) {
					t.Errorf("on the host, peek %s: got %q, want %s", c.look, seen, c.sees)
				}
				return
			}
			loose := peek(t, profile(t, c.without), strings.Fields(c.look)...)
			if !whole(c.sees, loose.line()) {
				t.Errorf("without the control, peek %s: got %q (exit code %d), want %s\n%s", c.look, loose.line(), loose.code, c.sees, loose.err)
			}
		})
	}
}

func whole(pattern, line string) bool {
	return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(line)
}
