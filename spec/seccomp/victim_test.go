//go:build cgo && linux && (amd64 || arm64)

package seccomp_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// victimEnv makes this program a victim: "calls" tries attempts, anything else
// makes one call of a foreign architecture.
const victimEnv = "SECCOMP_VICTIM"

func TestMain(m *testing.M) {
	if role := os.Getenv(victimEnv); role != "" {
		if err := victim(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// attempt is a call that does no harm where it is allowed, and what the kernel
// then says.
type attempt struct {
	name string
	args [6]uint64
	open syscall.Errno
}

var attempts = []attempt{
	{"getppid", [6]uint64{}, 0},
	{"read", [6]uint64{^uint64(0)}, syscall.EBADF},
	{"openat", [6]uint64{^uint64(0), 0, 0, 0o4755}, syscall.EFAULT},
	{"openat", [6]uint64{^uint64(0), 0, 0o100, 0o4755}, syscall.EFAULT},
	{"openat", [6]uint64{^uint64(0), 0, 0o100 + 1<<32, 0o4755 + 1<<32}, syscall.EFAULT},
	{"fchmod", [6]uint64{^uint64(0), 0o755}, syscall.EBADF},
	{"fchmod", [6]uint64{^uint64(0), 0o4755}, syscall.EBADF},
	{"fchmod", [6]uint64{^uint64(0), 0o2755 + 1<<40}, syscall.EBADF},
	{"socket", [6]uint64{2, 1, 0}, 0},
	{"socket", [6]uint64{2 + 1<<32, 1, 6 + 1<<33}, 0},
	{"socket", [6]uint64{2, 1, 132}, syscall.EPROTONOSUPPORT},
	{"socket", [6]uint64{2, 3, 255}, syscall.EPERM},
	{"socket", [6]uint64{38, 5, 0}, syscall.EAFNOSUPPORT},
	{"socket", [6]uint64{38 + 1<<32, 5, 0}, syscall.EAFNOSUPPORT},
	{"socketpair", [6]uint64{2, 1, 0, 0}, syscall.EOPNOTSUPP},
	{"ioctl", [6]uint64{^uint64(0), 0x5401}, syscall.EBADF},
	{"ioctl", [6]uint64{^uint64(0), 0x5412}, syscall.EBADF},
	{"ioctl", [6]uint64{^uint64(0), 0x5412 + 1<<32}, syscall.EBADF},
	{"ioctl", [6]uint64{^uint64(0), 0x541c}, syscall.EBADF},
	{"prctl", [6]uint64{3}, 0},
	{"prctl", [6]uint64{35, 99}, syscall.EINVAL},
	{"prctl", [6]uint64{3 + 1<<32}, 0},
	{"clone3", [6]uint64{0, 0}, syscall.EINVAL},
	{"personality", [6]uint64{0x40000}, 0},
	{"ptrace", [6]uint64{^uint64(0)}, syscall.ESRCH},
	{"mount", [6]uint64{}, syscall.EFAULT},
	{"bpf", [6]uint64{^uint64(0)}, syscall.EINVAL},
	{"keyctl", [6]uint64{^uint64(0)}, syscall.EOPNOTSUPP},
	{"io_uring_setup", [6]uint64{}, syscall.EFAULT},
	{"setns", [6]uint64{^uint64(0)}, syscall.EBADF},
	{"fchown", [6]uint64{^uint64(0)}, syscall.EBADF},
	{"memfd_create", [6]uint64{}, syscall.EFAULT},
	{"", [6]uint64{}, syscall.ENOSYS}, // a number that no kernel has yet
}

const noSuchCall = 1000

func victimPolicy() seccomp.Policy {
	return seccomp.Policy{
		Arch: runtime.GOARCH, Families: []string{"AF_UNIX", "AF_INET"},
		Allow: []string{"@base", "@files", "@process", "@threads", "@time", "@signals", "@memory", "@sched", "@io-event", "@sockets"},
	}
}

// victim puts itself under the filters for good and tries.
func victim(role string) error {
	runtime.LockOSThread()
	p := victimPolicy()
	oci, err := seccomp.Render(p)
	if err != nil {
		return err
	}
	const prSetNoNewPrivs = 38
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0); errno != 0 {
		return errno
	}
	for _, filter := range [][]seccomp.Instruction{seccomp.KillForeign(p.Arch), compileNative(oci)} {
		if err := load(filter); err != nil {
			return err
		}
	}
	if role != "calls" {
		return foreign()
	}
	for i, a := range attempts {
		nr, ok := seccomp.Number(p.Arch, a.name)
		if !ok {
			nr = noSuchCall
		}
		_, _, errno := syscall.RawSyscall6(uintptr(nr), uintptr(a.args[0]), uintptr(a.args[1]), uintptr(a.args[2]),
			uintptr(a.args[3]), uintptr(a.args[4]), uintptr(a.args[5]))
		fmt.Println(i, int(errno))
	}
	return nil
}

func load(filter []seccomp.Instruction) error {
	program := struct {
		length uint16
		first  *seccomp.Instruction
	}{uint16(len(filter)), &filter[0]}
	nr, _ := seccomp.Number(runtime.GOARCH, "seccomp")
	const setFilter, allThreads = 1, 1
	thread, _, errno := syscall.RawSyscall(uintptr(nr), setFilter, allThreads, uintptr(unsafe.Pointer(&program)))
	if errno != 0 || thread != 0 {
		return fmt.Errorf("seccomp: %w, thread %d", errno, thread)
	}
	return nil
}

// foreign makes a call of x32 in a thread of its own and waits for it.
func foreign() error {
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		_, _, _ = syscall.RawSyscall(0x40000000+39, 0, 0, 0)
		close(done)
	}()
	<-done
	return errors.New("the call of x32 came back")
}

func runVictim(t *testing.T, role string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), victimEnv+"="+role)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestVictim: the real kernel answers as the model does.
func TestVictim(t *testing.T) {
	out, err := runVictim(t, "calls")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(attempts) {
		t.Fatalf("%d answers to %d calls:\n%s", len(lines), len(attempts), out)
	}
	p := victimPolicy()
	for i, a := range attempts {
		native := map[string]uint32{"amd64": auditX8664, "arm64": auditAarch64}[p.Arch]
		want := a.open
		if answer := model(meaningOf(p), call{arch: native, name: a.name, args: a.args}); answer != retAllow {
			want = syscall.Errno(answer & 0xffff)
		}
		_, text, _ := strings.Cut(lines[i], " ")
		if got, err := strconv.Atoi(text); err != nil || syscall.Errno(got) != want {
			t.Errorf("%s%#x: errno %s, want %d (%v)", a.name, a.args, text, int(want), want)
		}
	}
}

// TestVictimOfForeignCall: a call of another architecture ends all threads.
func TestVictimOfForeignCall(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("this architecture has no x32: that its calls kill was not checked")
	}
	out, err := runVictim(t, "x32")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSYS {
		t.Errorf("%v, want SIGSYS\n%s", err, out)
	}
}
