package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/integration/leaks"
	"github.com/safe-run/safe-run/sandbox/trace"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// TestLauncherCalls: what the launcher itself calls between loading the filter
// and running the program is in its table. The Go runtime's part differs from
// run to run.
func TestLauncherCalls(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed: that the launcher calls only what its table has was not checked")
	}
	leaks.Check(t)
	table := seccomp.Launcher(seccomp.Policy{Arch: runtime.GOARCH})
	for range 3 {
		trace := filepath.Join(t.TempDir(), "trace")
		cmd := launcher(t, "dir:"+built(t).root, "/peek", "id")
		cmd.Args = append([]string{"strace", "-f", "-qq", "-o", trace}, cmd.Args...)
		cmd.Path, _ = exec.LookPath("strace")
		if got := finish(t, cmd); got.code != 0 {
			t.Fatalf("exit code %d\n%s", got.code, got.err)
		}
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		calls, err := lateCalls(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range calls {
			if _, never := seccomp.Unfilterable(name); !never && !slices.Contains(table, name) {
				t.Errorf("the launcher calls %s under the filter, and its table does not have it", name)
			}
		}
		t.Logf("%d calls: %v", len(calls), calls)
	}
}

var (
	loadsFilter = regexp.MustCompile(`^(\d+) +(?:prctl\(PR_SET_SECCOMP|seccomp\(SECCOMP_SET_MODE_FILTER).*\{len=\d{3}`)
	anyCall     = regexp.MustCompile(`^(\d+) +([a-z0-9_]+)\(`)
	cloned      = regexp.MustCompile(`^(\d+) +(?:clone|<\.\.\. clone resumed>).*\) += (\d+)$`)
)

// lateCalls are the calls that the thread which loads the filter makes until it
// runs the program, and those of threads that it starts.
func lateCalls(trace string) ([]string, error) {
	threads := map[string]bool{}
	var calls []string
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if m := loadsFilter.FindStringSubmatch(line); m != nil {
			threads[m[1]] = true
			continue
		}
		if m := cloned.FindStringSubmatch(line); m != nil && threads[m[1]] {
			threads[m[2]] = true
		}
		m := anyCall.FindStringSubmatch(line)
		if m == nil || !threads[m[1]] {
			continue
		}
		if calls = append(calls, m[2]); m[2] == "execve" {
			slices.Sort(calls)
			return slices.Compact(calls), nil
		}
	}
	return nil, errors.New("no program was run under a filter in the trace")
}

// TestFilterIsWhatIsShown: the kernel has the very program that safe-run
// seccomp show prints, and before it the one against other architectures. It
// reports, unless the program may load filters itself.
func TestFilterIsWhatIsShown(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	own := profile(t, "seccomp: {allow: [{name: seccomp, why: the test}]}")[1]
	reports := trace.Available()
	for name, reporting := range map[string]bool{"default": reports, "db": reports, "shell": reports, "web": reports, own: false} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			shown, err := exec.Command(built(t).safeRun, "seccomp", "show", "--format", "raw", "--reporting="+strconv.FormatBool(reporting), name).Output()
			if err != nil {
				t.Fatal(err)
			}
			r, _ := start(t, []string{"--profile", name, "--network", "none"}, "sleep", "1m")
			filters, err := filtersOf(inside(t, r))
			if errors.Is(err, unix.EIO) || errors.Is(err, unix.EACCES) {
				t.Skipf("this kernel does not tell filters (CONFIG_CHECKPOINT_RESTORE): that they are what is shown was not checked: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(filters) != 2 || !bytes.Equal(filters[0], seccomp.Bytes(seccomp.KillForeign(runtime.GOARCH))) || !bytes.Equal(filters[1], shown) {
				t.Errorf("%d filters; the last has %d bytes, and %d are shown", len(filters), len(filters[len(filters)-1]), len(shown))
			}
		})
	}
}

// filtersOf reads the filters of a process, the oldest first
// (PTRACE_SECCOMP_GET_FILTER of ptrace(2)).
func filtersOf(pid int) (filters [][]byte, err error) {
	const getFilter = 0x420c
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.PtraceAttach(pid); err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	defer func() { err = errors.Join(err, unix.PtraceDetach(pid)) }()
	if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil {
		return nil, err
	}
	for n := uintptr(0); ; n++ {
		length, _, errno := unix.Syscall6(unix.SYS_PTRACE, getFilter, uintptr(pid), n, 0, 0, 0)
		if errno == unix.ENOENT && n > 0 {
			return filters, nil
		}
		if errno != 0 {
			return nil, fmt.Errorf("filter %d: %w", n, errno)
		}
		program := make([]byte, length*8)
		if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, getFilter, uintptr(pid), n, uintptr(unsafe.Pointer(&program[0])), 0, 0); errno != 0 {
			return nil, fmt.Errorf("filter %d: %w", n, errno)
		}
		filters = append(filters, program)
	}
}
