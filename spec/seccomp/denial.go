package seccomp

import (
	"fmt"
	"strconv"

	"github.com/safe-run/safe-run/spec/event"
)

// Denial says what a refused call is, what it would open, and how a profile
// would allow it. Process, count and times are the caller's to fill in.
func (a Answers) Denial(number int, args [6]uint64) event.Denial {
	name, errno := a.of(number, args)
	d := event.Denial{Control: event.Seccomp, Syscall: name, Errno: errnoName(errno)}
	if name == "" {
		d.Syscall, d.Severity = "number "+strconv.Itoa(number), event.Low
		d.Instead = "the kernel's calls that safe-run does not know fail as on an older kernel"
		return d
	}
	if decide, ok := byArguments[name]; ok && decide(&d, args) {
		return d
	}
	d.Severity, d.Risk, d.Harmless = gravity(name), riskOf(name), harmless(name)
	allowCall(&d, name)
	return d
}

// allowCall adds the lines that allow a call whole.
func allowCall(d *event.Denial, name string) {
	need := needOf(name)
	if need.host {
		d.Instead = "allowing it gains nothing: the kernel keeps it for the host's root, and a container has a user namespace"
		return
	}
	d.Allow = []string{"seccomp:", "  allow:", fmt.Sprintf("    - {name: %s, why: ...}", name)}
	if need.capability != "" {
		d.Allow = append(d.Allow, "process:", "  capabilities:", fmt.Sprintf("    - {name: %s, why: ...}", need.capability))
	}
}

// riskOf is what allowing a call would open.
func riskOf(name string) string {
	if why, dangerous := Denied(name); dangerous {
		return why
	}
	return ""
}

// byArguments judges the calls that are refused for their arguments. It leaves
// a call to the rest when that is not why.
var byArguments = map[string]func(d *event.Denial, args [6]uint64) bool{
	"socket":     deniedSocket,
	"socketpair": deniedPair,
	"prctl":      deniedOption,
	"clone":      deniedClone,
	"ioctl":      deniedIoctl,
	"chmod":      deniedMode(1), "fchmod": deniedMode(1), "creat": deniedMode(1), "fchmodat": deniedMode(2), "fchmodat2": deniedMode(2),
	"mknod": deniedNode(1), "mknodat": deniedNode(2),
	"connect": deniedOutbound, "sendto": deniedOutbound, "sendmsg": deniedOutbound, "sendmmsg": deniedOutbound,
}

// deniedOutbound is for what is refused beside a socket of the service manager's.
func deniedOutbound(d *event.Denial, _ [6]uint64) bool {
	if d.Errno != errnoName(eacces) {
		return false
	}
	d.Severity, d.Risk = event.Medium, "a listening socket of the host, which can be connected to whatever the host reaches"
	d.Instead = "set process.socketActivation.outbound in the profile, with its why"
	return true
}

// plainFamilies are those that ordinary programs use. The others are old or
// special drivers, with a history of holes that any user could reach.
var plainFamilies = map[uint32]bool{afUnix: true, afInet: true, afInet6: true, afNetlink: true}

func deniedSocket(d *event.Denial, args [6]uint64) bool {
	family := uint32(args[0])
	name, known := familyName(family)
	d.Arguments = []string{"family " + name}
	if d.Errno != errnoName(eafnosupport) && known {
		return deniedSocketType(d, args)
	}
	if !known {
		d.Severity, d.Instead = event.Low, "there is no such address family"
		return true
	}
	d.Severity, d.Risk = event.Medium, "the family's code in the kernel, which any user could reach"
	if plainFamilies[family] {
		d.Severity, d.Risk = event.Low, "sockets of "+name+"; where they lead is for the network section"
	}
	if family == afPacket {
		d.Severity = event.High
	}
	d.Allow = []string{"seccomp:", "  addressFamilies:", fmt.Sprintf("    - {name: %s, why: ...}", name)}
	return true
}

func deniedPair(d *event.Denial, args [6]uint64) bool {
	if uint32(args[0]) == afUnix {
		return false
	}
	name, _ := familyName(uint32(args[0]))
	d.Arguments, d.Severity, d.Instead = []string{"family " + name}, event.Low, "only AF_UNIX has pairs"
	return true
}

// namespaceFlags are the names of newNamespaces.
var namespaceFlags = []struct {
	bit  uint32
	name string
}{
	{0x20000, "CLONE_NEWNS"}, {0x2000000, "CLONE_NEWCGROUP"}, {0x4000000, "CLONE_NEWUTS"}, {0x8000000, "CLONE_NEWIPC"},
	{0x10000000, "CLONE_NEWUSER"}, {0x20000000, "CLONE_NEWPID"}, {0x40000000, "CLONE_NEWNET"},
}

func deniedClone(d *event.Denial, args [6]uint64) bool {
	for _, flag := range namespaceFlags {
		if uint32(args[0])&flag.bit != 0 {
			d.Arguments = append(d.Arguments, "flag "+flag.name)
		}
	}
	if d.Arguments == nil {
		return false
	}
	d.Severity, d.Risk = event.High, "a new user namespace opens kernel code that only root could reach"
	d.Instead = "no profile allows it; a browser's own sandbox is switched off with --no-sandbox, since this one holds it"
	return true
}

// requestNames are the names of ttyRequests.
var requestNames = map[uint32]string{0x5412: "TIOCSTI", 0x541c: "TIOCLINUX", 0x5423: "TIOCSETD"}

func deniedIoctl(d *event.Denial, args [6]uint64) bool {
	name, ok := requestNames[uint32(args[1])]
	if !ok {
		return false
	}
	d.Arguments, d.Severity = []string{"request " + name}, event.High
	d.Risk = "input for the shell outside (CVE-2017-5226, CVE-2023-1523), or old line disciplines (CVE-2017-2636)"
	d.Instead = "no profile allows it, and programs go on without"
	return true
}

// deniedMode is for calls whose mode is argument i.
func deniedMode(i int) func(*event.Denial, [6]uint64) bool {
	return func(d *event.Denial, args [6]uint64) bool {
		mode := uint32(args[i])
		if mode&setIDBits == 0 {
			return false
		}
		d.Arguments = []string{fmt.Sprintf("mode %#o", mode&0o7777)}
		d.Severity, d.Risk = event.Medium, "a setuid file in a directory of the host makes anyone there its owner"
		d.Instead = "no profile allows it: no_new_privs makes such bits useless inside; leave them out, or set them in the image"
		return true
	}
}

// deniedNode is for calls whose mode, with the file's type, is argument i.
func deniedNode(i int) func(*event.Denial, [6]uint64) bool {
	return func(d *event.Denial, args [6]uint64) bool {
		const fileType, fifo = 0o170000, 0o010000
		kinds := map[uint32]string{0o020000: "character device", 0o060000: "block device", 0o100000: "file", 0: "file", 0o140000: "socket"}
		kind := uint32(args[i]) & fileType
		if kind == fifo {
			return false
		}
		d.Arguments = []string{"a " + kinds[kind]}
		d.Severity, d.Risk = event.Medium, "device nodes are ways to the host's hardware"
		d.Instead = "no profile allows more than named pipes; a file is made with open, a socket with bind"
		return true
	}
}

func familyName(number uint32) (string, bool) {
	for _, f := range families {
		if f.number == number {
			return f.name, true
		}
	}
	return strconv.Itoa(int(number)), false
}

func errnoName(errno uint) string {
	switch errno {
	case eperm:
		return "EPERM"
	case enosys:
		return "ENOSYS"
	case eacces:
		return "EACCES"
	case eafnosupport:
		return "EAFNOSUPPORT"
	}
	return strconv.Itoa(int(errno))
}
