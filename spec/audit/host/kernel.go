package host

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/severity"
)

func kernel(f Facts) []audit.Finding {
	out := []audit.Finding{
		version(f.Host.Kernel),
		check{"user-namespaces", "user namespaces", []int{5}}.feature(f.Host.UserNamespaces, "can be made", severity.High, trouble{
			"user namespaces cannot be made", "without one root inside is root of the host", "sysctl -w user.max_user_namespaces=65536"}),
		check{"seccomp", "seccomp filters", nil}.feature(f.Host.Seccomp, "can be installed", severity.Critical, trouble{
			"the kernel has no seccomp filters", "every system call would be open", "boot a kernel with CONFIG_SECCOMP_FILTER"}),
		check{"seccomp-notify", "reports of seccomp", nil}.feature(f.Notify, "filters can report what they refuse", severity.Low, trouble{
			"filters cannot report what they refuse", "safe-run denials and --explain have nothing to tell, and a profile with onViolation does not run", "boot Linux 5.9 or later"}),
		check{"idmapped-mounts", "idmapped mounts", nil}.feature(f.Host.IDMappedMounts, "there are", severity.High, trouble{
			"the kernel has no idmapped mounts", "files of images and of bind mounts are not seen with their owners", "boot Linux 5.12 or later"}),
		check{"overlay-idmap", "idmapped layers of overlayfs", nil}.feature(f.Host.OverlayIDMap, "there are", severity.Medium, trouble{
			"overlayfs does not take idmapped layers", "images cannot be shared by containers of different id ranges", "boot Linux 5.19 or later"}),
		landlock(f.Landlock), lsms(f.Host.LSMs), guard(f.Guard),
	}
	return out
}

// version says whether the kernel is one that still gets fixes nobody can know
// here: only what safe-run needs is judged.
func version(release string) audit.Finding {
	c := check{"kernel", "the kernel's version", nil}
	major, minor, ok := numbers(release)
	switch {
	case !ok:
		return c.unknown("the kernel's version %q is not a number", release)
	case major < 5 || major == 5 && minor < 19:
		return c.bad(severity.Medium, trouble{"Linux " + release + " is older than 5.19",
			"idmapped layers of overlayfs, on which safe-run's images stand, came with it", "boot a newer kernel"})
	}
	return c.fine("Linux %s", release)
}

// numbers reads major and minor of a release such as 6.1.0-18-amd64.
func numbers(release string) (major, minor int, ok bool) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	if end := strings.IndexFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		parts[1] = parts[1][:end]
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err == nil && err2 == nil
}

func landlock(abi int) audit.Finding {
	c := check{"landlock", "Landlock", []int{21}}
	switch {
	case abi < 0:
		return c.unknown("the ABI's version could not be asked for")
	case abi == 0:
		return c.bad(severity.Low, trouble{"Landlock is not there, or not switched on",
			"it would be a second layer below the mounts", "boot with lsm=landlock,... and CONFIG_SECURITY_LANDLOCK"})
	}
	return c.fine("ABI %d", abi)
}

func lsms(names []string) audit.Finding {
	c := check{"lsm", "AppArmor or SELinux", []int{21}}
	if names == nil {
		return c.unknown("securityfs is not mounted, or not to be read")
	}
	for _, one := range []string{"apparmor", "selinux"} {
		if slices.Contains(names, one) {
			return c.fine("%s", strings.Join(names, ", "))
		}
	}
	return c.bad(severity.Low, trouble{"neither AppArmor nor SELinux is switched on (" + strings.Join(names, ", ") + ")",
		"a second list of what may be reached, apart from system calls", "boot with apparmor=1 security=apparmor, where the kernel has it"})
}

// guard is nobody's duty: it is said what there is, and the next step.
func guard(g Guard) audit.Finding {
	c := check{"guard", "guard", []int{21}}
	switch {
	case g.On:
		return c.fine("on: containers are refused a second time what their filters refuse")
	case g.Why != "":
		return c.bad(severity.Info, trouble{g.Why, "it would refuse containers a second time, inside the kernel, what their filters refuse", g.Mend})
	}
	if g.Possible {
		return c.fine("possible here, and off; safe-run guard on switches it on")
	}
	return c.unknown("nobody has looked whether this kernel takes it")
}

func cgroups(f Facts) []audit.Finding {
	c := check{"cgroups", "control groups", []int{11, 12, 13, 25}}
	g := f.Host.Cgroup
	var missing []string
	for _, name := range []string{"cpu", "memory", "pids", "devices", "freezer"} {
		if !slices.Contains(g.Controllers, name) {
			missing = append(missing, name)
		}
	}
	out := []audit.Finding{c.fine("version %d, driver %s, with %s", g.Version, g.Driver, strings.Join(g.Controllers, ", "))}
	if len(missing) > 0 {
		out[0] = c.bad(severity.High, trouble{"the controllers " + strings.Join(missing, ", ") + " are missing",
			"limits of them cannot be set", "mount them, or boot without cgroup_disable="})
	} else if g.Version == 1 {
		out[0] = c.bad(severity.Low, trouble{"control groups are version 1",
			"version 1 has no limit of a whole subtree that holds for memory, swap and kills alike, and its release_agent has been a way out", "boot with systemd.unified_cgroup_hierarchy=1"})
	}
	fast := check{"favordynmods", "quick joining of control groups", nil}
	if g.Version == 2 {
		out = append(out, fast.feature(f.Favordynmods, "cgroup version 2 is mounted with favordynmods", severity.Info, trouble{
			"cgroup version 2 is mounted without favordynmods", "a start waits some milliseconds for the kernel before the process is in its group",
			"mount -o remount,favordynmods /sys/fs/cgroup (6.0 or later; forks become a little slower)"}))
	}
	if f.Host.Cgroup.SwapLimit || f.Host.SwapTotal == 0 {
		return out
	}
	return append(out, check{"swap-limit", "limit of swap", []int{11}}.bad(severity.Medium, trouble{"there is swap, and it cannot be limited",
		"a container can push the host's memory to its disks", "boot with swapaccount=1, or swapoff -a"}))
}

// setting is a sysctl that matters. At least is the number that it must have.
type setting struct {
	name     string
	least    int
	severity severity.Severity
	why      string
}

var settings = []setting{
	{"kernel.unprivileged_bpf_disabled", 1, severity.Medium, "every user may load BPF programs, which has been a way into the kernel"},
	{"kernel.kptr_restrict", 1, severity.Low, "addresses of the kernel are shown to everybody"},
	{"kernel.dmesg_restrict", 1, severity.Low, "the kernel's log is everybody's to read"},
	{"kernel.yama.ptrace_scope", 1, severity.Low, "every process of a user may read the memory of his others"},
	{"kernel.io_uring_disabled", 1, severity.Low, "io_uring is open to every user of the host, and is where many holes of the kernel were found"},
}

func sysctls(f Facts) []audit.Finding {
	var out []audit.Finding
	for _, s := range settings {
		c := check{s.name, "sysctl " + s.name, nil}
		text, there := f.Sysctls[s.name]
		n, err := strconv.Atoi(text)
		switch {
		case !there:
			out = append(out, c.unknown("the kernel does not have it"))
		case err != nil:
			out = append(out, c.unknown("its value %q is not a number", text))
		case n < s.least:
			out = append(out, c.bad(s.severity, trouble{fmt.Sprintf("it is %d", n), s.why, fmt.Sprintf("sysctl -w %s=%d, and the same in /etc/sysctl.d", s.name, s.least)}))
		default:
			out = append(out, c.fine("%d", n))
		}
	}
	return append(out, tty(f), coreDumps(f), userNamespaceCount(f), debianUserns(f))
}

// tty: TIOCSTI puts characters into the terminal of who looks on (CVE-2017-5226);
// the sysctl is from 6.2 on.
func tty(f Facts) audit.Finding {
	c := check{"dev.tty.legacy_tiocsti", "sysctl dev.tty.legacy_tiocsti", nil}
	switch value, there := f.Sysctls[c.id]; {
	case !there:
		return c.unknown("the kernel does not have it: TIOCSTI is open, but for filters")
	case value != "0":
		return c.bad(severity.Low, trouble{"it is " + value, "a program can type into the terminal that it was started from", "sysctl -w dev.tty.legacy_tiocsti=0"})
	}
	return c.fine("0")
}

func coreDumps(f Facts) audit.Finding {
	c := check{"kernel.core_pattern", "sysctl kernel.core_pattern", nil}
	value, there := f.Sysctls[c.id]
	switch {
	case !there:
		return c.unknown("it could not be read")
	case strings.HasPrefix(value, "|"), strings.HasPrefix(value, "@"):
		return c.bad(severity.Info, trouble{"core dumps go to " + value, "a program of the host reads what a container's process leaves, as root, and a limit of 0 does not stop that", "profiles of safe-run keep dumps from it; see that the program is up to date"})
	}
	return c.fine("%q", value)
}

func userNamespaceCount(f Facts) audit.Finding {
	c := check{"user.max_user_namespaces", "sysctl user.max_user_namespaces", nil}
	n, err := strconv.Atoi(f.Sysctls[c.id])
	switch {
	case err != nil:
		return c.unknown("it could not be read")
	case n < 256:
		return c.bad(severity.High, trouble{fmt.Sprintf("it is %d", n), "each container has one, and an exec none", "sysctl -w user.max_user_namespaces=65536"})
	}
	return c.fine("%d", n)
}

// debianUserns is Debian's and Ubuntu's own switch. safe-run is root and needs it
// not; every other user of the host does.
func debianUserns(f Facts) audit.Finding {
	c := check{"kernel.unprivileged_userns_clone", "sysctl kernel.unprivileged_userns_clone", nil}
	switch value, there := f.Sysctls[c.id]; {
	case !there:
		return c.unknown("the kernel does not have it")
	case value == "1":
		return c.bad(severity.Info, trouble{"it is 1", "every user of the host reaches code of the kernel that else only root does; safe-run does not need it", "sysctl -w kernel.unprivileged_userns_clone=0, unless browsers or rootless engines need it"})
	}
	return c.fine("0")
}
