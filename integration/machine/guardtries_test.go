package machine

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// guardTry has this program try, as a child, what the guard refuses, and say what
// came of it; the value is how many processes lie between.
const guardTry = "SAFE_RUN_GUARD_TRY"

// belowModule is there in every machine.
const belowModule = "/sys/module/kernel/parameters/panic"

type guardSaid map[string]string // by what was tried: an errno's name, or nothing

// It is done before any test is looked for: the child is not one.
func init() {
	how := os.Getenv(guardTry)
	if how == "" {
		return
	}
	if err := guardChild(how); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(0)
}

// guardChild tries, or starts the one that tries.
func guardChild(how string) error {
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"inside"}, Stdout: os.Stdout, Stderr: os.Stderr}
	again := func(next string) error {
		cmd.Env = []string{guardTry + "=" + next}
		return cmd.Run()
	}
	switch how {
	case "fork":
		return again("now")
	case "twice":
		return again("fork")
	case "setsid":
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return again("now")
	case "nested":
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		return again("now")
	case "clone3": // which the library uses to join a control group
		group, err := os.Open("/sys/fs/cgroup")
		if err != nil {
			return err
		}
		defer group.Close()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
		return again("now")
	case "exec":
		return syscall.Exec("/proc/self/exe", []string{"inside"}, []string{guardTry + "=now"})
	}
	said := guardSaid{}
	for name, try := range guardTries() {
		said[name] = ""
		var errno syscall.Errno
		if err := try(); errors.As(err, &errno) {
			said[name] = unix.ErrnoName(errno)
		} else if err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

// call is one that gives a descriptor, which is closed, or a number.
func call(isFD bool, number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	r, _, errno := syscall.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return errno
	}
	if isFD {
		unix.Close(int(r))
	}
	return nil
}

func socketTry(family, kind, protocol int) func() error {
	return func() error {
		return call(true, unix.SYS_SOCKET, uintptr(family), uintptr(kind), uintptr(protocol))
	}
}

// guardTries are one or more for each class, by its name, and for each path. A
// family's and a protocol's name is "family 40".
func guardTries() map[string]func() error {
	var room [256]byte
	p := func(offset int) uintptr { return uintptr(unsafe.Pointer(&room[offset])) }
	tries := map[string]func() error{
		spec.GuardUserfaultfd: func() error { return call(true, unix.SYS_USERFAULTFD, 1) },
		spec.GuardIOUring:     func() error { return call(true, unix.SYS_IO_URING_SETUP, 1, p(0)) },
		spec.GuardKeys: func() error {
			copy(room[128:], "user\x00guard\x00x")
			return call(false, unix.SYS_ADD_KEY, p(128), p(133), p(139), 1, ^uintptr(1))
		},
		spec.GuardPtrace: func() error { return ofSleeper(takeDescriptor) },
		"ptrace seize":   func() error { return ofSleeper(seize) },
		"ptrace memory": func() error {
			return ofSleeper(func(pid int) error {
				var to [8]byte
				local := unix.Iovec{Base: &to[0], Len: 8}
				_, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{{Base: 1 << 20, Len: 8}}, 0)
				return err
			})
		},
		spec.GuardCompare: func() error {
			return ofSleeper(func(pid int) error { return call(false, unix.SYS_KCMP, uintptr(pid), uintptr(pid), 1) })
		},
		spec.GuardPerf: func() error {
			attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Bits: unix.PerfBitDisabled}
			fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
			if err == nil {
				unix.Close(fd)
			}
			return err
		},
		spec.GuardBPF: func() error {
			attr := [32]uint32{2, 4, 4, 1}
			return call(true, unix.SYS_BPF, 0, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		},
		spec.GuardShm: func() error { return ipc(unix.SYS_SHMGET, unix.SYS_SHMCTL, 4096, 1) },
		spec.GuardMsg: func() error { return ipc(unix.SYS_MSGGET, unix.SYS_MSGCTL, 0o600, 1) },
		spec.GuardSem: func() error { return ipc(unix.SYS_SEMGET, unix.SYS_SEMCTL, 1, 2) },
		spec.GuardUserNS: func() error {
			cmd := exec.Command("/usr/bin/busybox", "true")
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
			return cmd.Run()
		},
		spec.GuardSyslog: func() error { return call(false, unix.SYS_SYSLOG, 10) },
		spec.GuardTTY: func() error {
			fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return call(false, unix.SYS_IOCTL, uintptr(fd), 1<<32|unix.TIOCSTI, p(0))
		},
		spec.GuardTTY + " of 32 bits": narrow,
		"family 40":                   socketTry(unix.AF_VSOCK, unix.SOCK_STREAM, 0),
		"family 38":                   socketTry(unix.AF_ALG, unix.SOCK_SEQPACKET, 0),
		"family 1":                    socketTry(unix.AF_UNIX, unix.SOCK_STREAM, 0),
		"family 2":                    socketTry(unix.AF_INET, unix.SOCK_STREAM, 0),
		"netlink 12":                  socketTry(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER),
		"netlink 0":                   socketTry(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE),
	}
	for _, path := range append(spec.GuardPaths(), "/proc/cpuinfo", "/proc/self/status", "/sys/kernel/notes", belowModule, "/sys/devices/virtual") {
		tries[path] = func() error {
			f, err := os.Open(path)
			if err == nil {
				f.Close()
			}
			return err
		}
	}
	return tries
}

// narrow asks the kernel for ioctl(0, TIOCSTI, 0) by its calls of 32 bits, in a
// program of 64: int $0x80, and exit(-what came of it).
func narrow() error {
	code := []byte{
		0xb8, 54, 0, 0, 0, // mov eax, ioctl
		0x31, 0xdb, // xor ebx, ebx
		0xb9, 0x12, 0x54, 0, 0, // mov ecx, TIOCSTI
		0x31, 0xd2, // xor edx, edx
		0xcd, 0x80, // int 0x80
		0xf7, 0xd8, // neg eax
		0x89, 0xc3, // mov ebx, eax
		0xb8, 1, 0, 0, 0, // mov eax, exit
		0xcd, 0x80,
	}
	const base, size = 0x400000, 64 + 56
	image := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	put := func(n int, values ...uint64) {
		for _, v := range values {
			image = append(image, binary.LittleEndian.AppendUint64(nil, v)[:n]...)
		}
	}
	put(2, 2, 62) // ET_EXEC, EM_X86_64
	put(4, 1)
	put(8, base+size, 64, 0)
	put(4, 0)
	put(2, 64, 56, 1, 0, 0, 0)
	put(4, 1, 5) // PT_LOAD, PF_R | PF_X
	put(8, 0, base, base, size+uint64(len(code)), size+uint64(len(code)), 0x1000)
	dir, err := os.MkdirTemp("", "narrow")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "narrow")
	if err := os.WriteFile(program, append(image, code...), 0o700); err != nil {
		return err
	}
	var ended *exec.ExitError
	if err := exec.Command(program).Run(); !errors.As(err, &ended) || !ended.Exited() {
		return fmt.Errorf("a call of 32 bits: %w", err)
	}
	return syscall.Errno(ended.ExitCode())
}

// ipc makes an object of System V and removes it.
func ipc(get, ctl uintptr, size uintptr, place int) error {
	args := []uintptr{0, size, 0o600}
	id, _, errno := syscall.Syscall(get, args[0], args[1], args[2])
	if errno != 0 {
		return errno
	}
	remove := [4]uintptr{id}
	remove[place] = unix.IPC_RMID
	_, _, _ = syscall.Syscall6(ctl, remove[0], remove[1], remove[2], remove[3], 0, 0)
	return nil
}

// ofSleeper does something to a process that does nothing itself.
func ofSleeper(do func(pid int) error) error {
	sleeper := exec.Command("/usr/bin/busybox", "sleep", "100")
	if err := sleeper.Start(); err != nil {
		return err
	}
	defer func() { _, _ = sleeper.Process.Kill(), sleeper.Wait() }()
	return do(sleeper.Process.Pid)
}

func takeDescriptor(pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, 0, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func seize(pid int) error { return call(false, unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0) }

// classOf is the class that a try belongs to.
func classOf(try string) string { return strings.Fields(try)[0] }
