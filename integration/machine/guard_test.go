package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/safe-run/safe-run/sandbox/guard"
	"github.com/safe-run/safe-run/spec"
)

// TestGuard runs TestInsideGuard on the newer kernel; TestSuite does on the older.
func TestGuard(t *testing.T) {
	_, kernel := need(t)
	if part() {
		t.Skip("NOT CHECKED: the guard on the newer kernel: make test-vm does")
	}
	m := machine(t, kernel)
	m.Args = []string{"/bin/inside", "-test.v", "-test.run=^TestInsideGuard$"}
	m.Env = []string{inside + "=1"}
	out, err := m.Run(context.Background())
	if err != nil || out.Code != 0 || !slices.ContainsFunc(out.Lines, func(l string) bool { return strings.HasPrefix(l, "--- PASS: TestInsideGuard") }) {
		t.Errorf("exit code %d\n%s", out.Code, strings.Join(out.Lines, "\n"))
	}
	told(t, out, err)
}

// safeRun runs a verb in a machine.
func safeRun(t *testing.T, args ...string) (said string, err error) {
	t.Helper()
	out, err := exec.Command("/bin/safe-run", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	said, err := safeRun(t, args...)
	if err != nil {
		t.Fatalf("safe-run %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return said
}

// tried starts a child under a guard, or under none, and gives what it met with.
func tried(t *testing.T, g *spec.Guard, how string) guardSaid {
	t.Helper()
	cmd := exec.Command("/usr/bin/busybox", "sh", "-c", `read go; exec "$@"`, "sh", "/bin/inside")
	cmd.Env = []string{guardTry + "=" + how}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		held, wrong := guard.Enter(cmd.Process.Pid, g)
		err = errors.Join(wrong, in.Close())
		defer held.Leave()
	}
	// Without a line read fails, and the shell goes on.
	if err = errors.Join(err, cmd.Wait()); err != nil {
		t.Fatalf("%s under %+v: %v\n%s", how, g, err, said.String())
	}
	got := guardSaid{}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %q", err, out.String())
	}
	return got
}

// refused are the tries that met with the guard's error.
func (s guardSaid) refused() []string {
	var out []string
	for name, errno := range s {
		if errno == "EPERM" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// TestInsideGuard holds processes by the guard and by nothing else, class by class,
// and looks whom it holds and when that ends.
func TestInsideGuard(t *testing.T) {
	needInside(t)
	if list, err := os.ReadFile("/sys/kernel/security/lsm"); err != nil || !strings.Contains(string(list), "bpf") {
		t.Skipf("NOT CHECKED: the guard: the kernel has %s (%v)", list, err)
	}
	t.Run("strangers", ofStrangers)
	before := tried(t, nil, "now")
	if got := before.refused(); len(got) > 0 {
		t.Fatalf("refused without a guard: %q", got)
	}
	if said, err := safeRun(t, "guard", "status"); err == nil || !strings.Contains(said, "off; safe-run guard on") {
		t.Errorf("status before: %v %q", err, said)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if said, err := safeRun(t, "guard", "on"); err != nil {
				t.Errorf("guard on: %v\n%s", err, said)
			}
		})
	}
	both.Wait()
	if t.Failed() {
		return
	}
	mustRun(t, "guard", "status")
	t.Run("classes", classesAlone)
	t.Run("inherited", inherited)
	t.Run("containers", heldContainers)
	t.Run("numbers", numbersAgain)
	t.Run("closed", failsClosed)
	mustRun(t, "guard", "off")
	if said := mustRun(t, "guard", "off"); !strings.Contains(said, "off already") {
		t.Errorf("a second off says %q", said)
	}
	nothingLeft(t)
	if got := tried(t, nil, "now").refused(); len(got) > 0 {
		t.Errorf("refused after the guard: %q", got)
	}
}

// classesAlone: each class is refused by the guard alone, and nothing beside it.
func classesAlone(t *testing.T) {
	all := &spec.Guard{Deny: spec.GuardClasses(), Families: []uint32{40}, Netlink: []uint32{12}, Paths: spec.GuardPaths()}
	for try, errno := range tried(t, all, "now") {
		want := slices.Contains(all.Deny, classOf(try)) || try == "family 40" || try == "netlink 12" ||
			slices.Contains(all.Paths, try) && errno != "ENOENT" || try == belowModule
		if (errno == "EPERM") != want {
			t.Errorf("%s under all: %q, want it refused: %t", try, errno, want)
		}
	}
	for _, class := range spec.GuardClasses() {
		for try, errno := range tried(t, &spec.Guard{Deny: []string{class}}, "now") {
			want := classOf(try) == class || class == spec.GuardSyslog && try == "/proc/kmsg"
			if (errno == "EPERM") != want {
				t.Errorf("%s under %s: %q, want it refused: %t", try, class, errno, want)
			}
		}
	}
	for _, one := range []struct {
		g    *spec.Guard
		want string
	}{
		{&spec.Guard{Families: []uint32{38}}, "family 38"},
		{&spec.Guard{Netlink: []uint32{0}}, "netlink 0"},
		{&spec.Guard{Families: []uint32{16}}, "netlink 0 netlink 12"},
		{&spec.Guard{Paths: []string{"/proc/keys"}}, "/proc/keys"},
		{&spec.Guard{Paths: []string{"/sys/module"}}, "/sys/module " + belowModule},
		{&spec.Guard{Paths: []string{"/sys/kernel/vmcoreinfo"}}, "/sys/kernel/vmcoreinfo"},
	} {
		if got := strings.Join(tried(t, one.g, "now").refused(), " "); got != one.want {
			t.Errorf("under %+v %q is refused, want %q", one.g, got, one.want)
		}
	}
}

// inherited: whoever descends from a process is held as it is, and nobody else.
func inherited(t *testing.T) {
	g := &spec.Guard{Deny: []string{spec.GuardUserfaultfd}, Families: []uint32{40}}
	const want = "family 40 userfaultfd"
	for _, how := range []string{"now", "fork", "twice", "setsid", "clone3", "nested", "exec"} {
		if got := strings.Join(tried(t, g, how).refused(), " "); got != want {
			t.Errorf("%s: %q is refused, want %q", how, got, want)
		}
		if got := tried(t, nil, how).refused(); len(got) > 0 {
			t.Errorf("%s, of a process outside: %q is refused", how, got)
		}
	}
}

// heldContainers: the launcher puts the first process of a container under the
// guard, and those that join, and leaves out who is to go without.
func heldContainers(t *testing.T) {
	mustRun(t, "run", "-d", "--name", "held", "/usr/bin/busybox", "sleep", "1001")
	mustRun(t, "exec", "-d", "held", "/busybox", "sleep", "1002")
	mustRun(t, "run", "-d", "--name", "free", "--accept", "guard", "/usr/bin/busybox", "sleep", "1003")
	defer func() { mustRun(t, "rm", "-f", "held", "free") }()
	first, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pidOf(t, "1001")))
	joined, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pidOf(t, "1002")))
	if err != nil || err2 != nil || first != joined {
		t.Errorf("who joins is in %s, the container in %s (%v, %v)", joined, first, err, err2)
	}
	for seconds, want := range map[string]bool{"1001": true, "1003": false} {
		mark, err := guard.MarkedAs(pidOf(t, seconds))
		if err != nil {
			t.Fatal(err)
		}
		all := uint64(1)<<len(spec.GuardClasses()) - 1
		held := mark.Classes == all && mark.Families&(1<<40) != 0 && mark.Families&(1<<1) == 0 && mark.Netlink&(1<<12) != 0 && mark.Paths != 0
		if held != want || !want && mark != (guard.Mark{}) {
			t.Errorf("sleep %s has the mark %+v, want it held: %t", seconds, mark, want)
		}
	}
	if said := mustRun(t, "guard", "on"); !strings.Contains(said, "on already") {
		t.Errorf("a second on says %q", said)
	}
}

// pidOf finds the process that sleeps so long.
func pidOf(t *testing.T, seconds string) int {
	t.Helper()
	for range 300 {
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
			if !bytes.HasSuffix(line, []byte("sleep\x00"+seconds+"\x00")) {
				continue
			}
			pid, _ := strconv.Atoi(filepath.Base(dir))
			// The launcher's own command line has the same end.
			if exe, err := os.Readlink(filepath.Join(dir, "exe")); err != nil || !strings.Contains(exe, "busybox") {
				continue
			}
			return pid
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("nobody sleeps for %s", seconds)
	return -1
}

// failsClosed: with a guard that cannot be entered nothing runs, unless it is
// accepted.
func failsClosed(t *testing.T) {
	aside := guard.MapPath + "-aside"
	if err := errors.Join(os.Rename(guard.MapPath, aside), os.Mkdir(guard.MapPath, 0o700)); err != nil {
		t.Fatal(err)
	}
	said, err := safeRun(t, "run", "--rm", "/usr/bin/busybox", "echo", "ran")
	if err == nil || strings.Contains(said, "ran\n") || !strings.Contains(said, "--accept guard") {
		t.Errorf("under a guard that is none: %v %q", err, said)
	}
	if said, err := safeRun(t, "run", "--rm", "--accept", "guard", "/usr/bin/busybox", "echo", "ran"); err != nil || !strings.Contains(said, "ran") {
		t.Errorf("with --accept guard: %v %q", err, said)
	}
	if said, err := safeRun(t, "guard", "on"); err == nil || !strings.Contains(said, "guard off") {
		t.Errorf("guard on beside another's: %v %q", err, said)
	}
	if err := errors.Join(os.Remove(guard.MapPath), os.Rename(aside, guard.MapPath)); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft: no pin and no program. The kernel frees them a moment later.
func nothingLeft(t *testing.T) {
	t.Helper()
	if left, _ := filepath.Glob(guard.FS + "/*"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	var names []string
	for range 100 {
		if names = programNames(t); len(names) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("programs that are left: %q", names)
}

// programNames are those of the guard's programs that the kernel has.
func programNames(t *testing.T) []string {
	var out []string
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		id = next
		program, err := ebpf.NewProgramFromID(id)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if info, err := program.Info(); err == nil && strings.HasPrefix(info.Name, "sr_") {
			out = append(out, info.Name)
		}
		program.Close()
	}
}
