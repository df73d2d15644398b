package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attempts are single system calls and ways to run code. Each that may be
// killed runs in a child, so that the kill is a result.
var attempts = map[string]command{
	"call":       {"NAME|NUMBER [NUMBER|s:TEXT]...", call, 1},
	"callas":     {"THREAD NAME|NUMBER [NUMBER|s:TEXT]...", callAs, 2},
	"floodcalls": {"N", floodCalls, 1},
	"socket":     {"FAMILY TYPE PROTOCOL", socket, 3},
	"exec":       {"DIR", execCopy, 1},
	"execmem":    {"", execMemory, 0},
	"int80":      {"", func([]string) (string, error) { return guarded("int80-here") }, 0},
	"x32":        {"", func([]string) (string, error) { return guarded("call", "0x40000027") }, 0},
	"userns":     {"", func([]string) (string, error) { return cloneInto(unix.CLONE_NEWUSER) }, 0},
	"keyring":    {"", keyring, 0},
	"int80-here": {"", func([]string) (string, error) {
		if !hasInt80 {
			return "absent", nil
		}
		return fmt.Sprintf("ran, %t", int80Getpid() == int32(os.Getpid())), nil
	}, 0},
}

// numbers of the system calls that tests name.
var numbers = map[string]uintptr{
	"add_key": unix.SYS_ADD_KEY, "bpf": unix.SYS_BPF, "chroot": unix.SYS_CHROOT, "clone": unix.SYS_CLONE, "clone3": unix.SYS_CLONE3,
	"getpid": unix.SYS_GETPID, "init_module": unix.SYS_INIT_MODULE, "io_uring_setup": unix.SYS_IO_URING_SETUP,
	"ioctl": unix.SYS_IOCTL, "kcmp": unix.SYS_KCMP, "kexec_load": unix.SYS_KEXEC_LOAD, "keyctl": unix.SYS_KEYCTL,
	"mount": unix.SYS_MOUNT, "move_mount": unix.SYS_MOVE_MOUNT, "perf_event_open": unix.SYS_PERF_EVENT_OPEN,
	"personality": unix.SYS_PERSONALITY, "pidfd_getfd": unix.SYS_PIDFD_GETFD, "prctl": unix.SYS_PRCTL,
	"process_vm_readv": unix.SYS_PROCESS_VM_READV, "ptrace": unix.SYS_PTRACE, "quotactl": unix.SYS_QUOTACTL,
	"reboot": unix.SYS_REBOOT, "setns": unix.SYS_SETNS, "setuid": unix.SYS_SETUID, "sethostname": unix.SYS_SETHOSTNAME,
	"swapon": unix.SYS_SWAPON, "syslog": unix.SYS_SYSLOG, "umount2": unix.SYS_UMOUNT2, "unshare": unix.SYS_UNSHARE,
	"vhangup":     unix.SYS_VHANGUP,
	"userfaultfd": unix.SYS_USERFAULTFD, "shmget": unix.SYS_SHMGET,
}

// floodCalls makes one denied call many times, as fast as one thread can, and says
// how often it failed.
func floodCalls(args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	refused := 0
	for range n {
		if _, _, errno := unix.RawSyscall(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0); errno == unix.EPERM {
			refused++
		}
	}
	return "EPERM " + strconv.Itoa(refused), nil
}

// call makes one raw system call. The caller chooses arguments that do no harm
// where the call is allowed.
func call(args []string) (string, error) {
	number, known := numbers[args[0]]
	if !known {
		n, err := strconv.ParseUint(args[0], 0, 32)
		if err != nil {
			return "", fmt.Errorf("no system call %s", args[0])
		}
		number = uintptr(n)
	}
	var values [6]uintptr
	var texts [][]byte
	for i, arg := range args[1:] {
		if text, isText := strings.CutPrefix(arg, "s:"); isText {
			texts = append(texts, append([]byte(text), 0))
			values[i] = uintptr(unsafe.Pointer(&texts[len(texts)-1][0]))
			continue
		}
		n, err := strconv.ParseInt(arg, 0, 64)
		if err != nil {
			u, uerr := strconv.ParseUint(arg, 0, 64)
			if uerr != nil {
				return "", err
			}
			n = int64(u)
		}
		values[i] = uintptr(n)
	}
	// One thread for calls that act on the thread alone.
	runtime.LockOSThread()
	_, _, errno := unix.Syscall6(number, values[0], values[1], values[2], values[3], values[4], values[5])
	runtime.KeepAlive(texts)
	if errno != 0 {
		return "", errno
	}
	return "ok", nil
}

// callAs makes a system call from a thread that has given itself a name.
func callAs(args []string) (string, error) {
	runtime.LockOSThread()
	name := append([]byte(args[0]), 0)
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0); err != nil {
		return "", err
	}
	return call(args[1:])
}

// families of sockets that tests name.
var families = map[string]int{
	"AF_UNIX": unix.AF_UNIX, "AF_INET": unix.AF_INET, "AF_INET6": unix.AF_INET6, "AF_NETLINK": unix.AF_NETLINK,
	"AF_PACKET": unix.AF_PACKET, "AF_ALG": unix.AF_ALG, "AF_VSOCK": unix.AF_VSOCK, "AF_KEY": unix.AF_KEY,
}

func socket(args []string) (string, error) {
	family, known := families[args[0]]
	kind, err1 := strconv.Atoi(args[1])
	protocol, err2 := strconv.Atoi(args[2])
	if !known || err1 != nil || err2 != nil {
		return "", fmt.Errorf("no socket %v", args)
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return "", err
	}
	return "ok", unix.Close(fd)
}

// keyring gives the serial number of the session keyring (keyctl(2)).
func keyring([]string) (string, error) {
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	return strconv.Itoa(id), err
}
