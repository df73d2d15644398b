// Package probe fills spec.Host from the kernel. A probe answers yes, no or
// unknown, and changes nothing.
package probe

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// Host looks at this machine.
func Host() spec.Host {
	swap := meminfo("SwapTotal:")
	caps := capabilities()
	return spec.Host{
		Arch:           runtime.GOARCH,
		Executable:     executable(),
		Kernel:         kernel(),
		Cgroup:         cgroup(),
		LSMs:           list("/sys/kernel/security/lsm"),
		UserNamespaces: userNamespaces(),
		IDMappedMounts: idmappedMounts(),
		OverlayIDMap:   since(5, 19),
		Seccomp:        seccomp(),
		Nftables:       nftables(caps),
		Capabilities:   caps,

		Sysctls:         sysctls(),
		SysctlsWritable: sysctlsWritable(),
		Landlock:        landlock(),
		Restrictions:    restrictions(),

		Rlimits:     rlimits(),
		CoreHandler: coreHandler(),
		IDs:         IDs(),
		Nameservers: nameservers(),
		CPUs:        runtime.NumCPU(),
		SwapTotal:   swap,
	}
}

// executable is the path of this program; empty when its file is gone.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

// kernel is the release that uname(2) reports.
func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// since says whether the kernel is at least major.minor. Distributions
// backport features, so that an older kernel is "unknown" and not "no".
func since(major, minor int) spec.Tri {
	a, b, ok := version(kernel())
	switch {
	case !ok:
		return spec.Unknown
	case a > major || (a == major && b >= minor):
		return spec.Yes
	}
	return spec.Unknown
}

// version reads major and minor of a kernel release such as 6.1.0-18-amd64.
func version(release string) (major, minor int, ok bool) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return 0, 0, false
	}
	digits := strings.IndexFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	if digits >= 0 {
		parts[1] = parts[1][:digits]
	}
	minor, err = strconv.Atoi(parts[1])
	return major, minor, err == nil
}

// userNamespaces reads the limit that namespaces(7) describes; 0 turns them off.
func userNamespaces() spec.Tri {
	if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		return spec.No
	}
	data, err := os.ReadFile("/proc/sys/user/max_user_namespaces")
	if err != nil {
		return spec.Unknown
	}
	if strings.TrimSpace(string(data)) == "0" {
		return spec.No
	}
	return spec.Yes
}

// idmappedMounts calls mount_setattr(2) with a bad descriptor: EBADF says that
// the call is there. The idmap attribute came in the same release (5.12).
func idmappedMounts() spec.Tri {
	err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	switch {
	case errors.Is(err, unix.ENOSYS):
		return spec.No
	case errors.Is(err, unix.EBADF):
		return spec.Yes
	}
	return spec.Unknown
}

// seccomp asks whether a filter's action is known (seccomp(2), 4.14).
func seccomp() spec.Tri {
	const getActionAvail, retErrno = 2, 0x00050000
	action := uint32(retErrno)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, getActionAvail, 0, uintptrOf(&action))
	switch errno {
	case 0:
		return spec.Yes
	case unix.ENOSYS, unix.EOPNOTSUPP:
		return spec.No
	}
	return spec.Unknown
}

// nftables opens a netfilter socket, which needs the kernel's subsystem, and
// looks at the capability that changes need.
func nftables(caps []string) spec.Tri {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return spec.No
	}
	unix.Close(fd)
	if slices.Contains(caps, "NET_ADMIN") {
		return spec.Yes
	}
	return spec.No
}

// list splits a file at commas; nil when it cannot be read.
func list(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(data)), ",")
}

// meminfo reads one line of /proc/meminfo in bytes; 0 when it is not there.
func meminfo(key string) int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// nameservers reads the host's resolvers. A loopback resolver cannot be
// reached from a container's own network; systemd-resolved keeps the real
// ones in a file of its own.
func nameservers() []netip.Addr {
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if found := parseNameservers(data); len(found) > 0 {
			return found
		}
	}
	return nil
}

// parseNameservers reads resolv.conf(5); only the first three count there.
func parseNameservers(data []byte) []netip.Addr {
	var out []netip.Addr
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(fields[1])
		if err != nil || addr.IsLoopback() || addr.IsUnspecified() || len(out) == 3 {
			continue
		}
		out = append(out, addr)
	}
	return out
}
