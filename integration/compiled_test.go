package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/integration/leaks"
	"github.com/safe-run/safe-run/sandbox/runc"
	filters "github.com/safe-run/safe-run/sandbox/runc/compiled"
	"github.com/safe-run/safe-run/sandbox/trace"
)

// filterStore is a store of compiled filters of the test's own.
type filterStore string

func newFilterStore(t *testing.T) filterStore {
	t.Helper()
	needRoot(t)
	if err := os.MkdirAll(runc.FiltersDir, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "filters")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return filterStore(dir)
}

// launcher is safe-run with the store in the place of the host's.
func (s filterStore) launcher(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := launcher(t, args...)
	cmd.Args = append([]string{"unshare", "-m", "sh", "-c", `mount --bind "$0" ` + runc.FiltersDir + ` && exec "$@"`, string(s), cmd.Path}, args...)
	path, err := exec.LookPath("unshare")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = path
	return cmd
}

// only is the one entry that there is.
func (s filterStore) only(t *testing.T) (path string) {
	t.Helper()
	entries, err := os.ReadDir(string(s))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d compiled filters are kept: %v", len(entries), err)
	}
	return filepath.Join(string(s), entries[0].Name())
}

func (s filterStore) read(t *testing.T) (path string, e filters.Entry) {
	t.Helper()
	path = s.only(t)
	data, err := os.ReadFile(path)
	if err == nil {
		e, err = filters.Decode(filepath.Base(path), data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, e
}

// lastFilter is the filter that was loaded last into the process below a launcher.
func lastFilter(t *testing.T, r *running) []byte {
	t.Helper()
	loaded, err := filtersOf(inside(t, r))
	if err != nil || len(loaded) != 2 {
		t.Skipf("NOT CHECKED: which filter is loaded: %d, %v", len(loaded), err)
	}
	return loaded[1]
}

// marked is a program that allows everything, and that libseccomp never makes.
var marked = []byte{0, 0, 0, 0, 42, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0xff, 0x7f}

// TestFilterCompiledOnce: the first launch compiles, the next ones and those who
// join load what it has kept. That they do shows in an entry that root has
// replaced, hash and all, by one of another program.
func TestFilterCompiledOnce(t *testing.T) {
	s := newFilterStore(t)
	leaks.Check(t)
	image := "dir:" + built(t).root
	for range 2 {
		if got := finish(t, s.launcher(t, image, "/peek", "call", "bpf", "0", "0", "0")); got.line() != "EPERM" {
			t.Fatalf("%q\n%s", got.out, got.err)
		}
	}
	path, kept := s.read(t)
	key := filepath.Base(path)
	if err := os.WriteFile(path, filters.Entry{Question: kept.Question, Program: marked}.Encode(key), 0o600); err != nil {
		t.Fatal(err)
	}
	name := "once-" + strconv.Itoa(os.Getpid())
	first, _ := begin(t, s.launcher(t, "--name", name, image, "/peek", "sleep", "1m"))
	if got := lastFilter(t, first); !bytes.HasSuffix(got, marked) {
		t.Errorf("the first process has another filter of %d bytes than the one that is kept", len(got))
	}
	joined, _ := begin(t, s.launcher(t, "exec", name, "/peek", "sleep", "1m"))
	if got := lastFilter(t, joined); !bytes.HasSuffix(got, marked) {
		t.Errorf("who joins has another filter of %d bytes than the one that is kept", len(got))
	}
}

// TestFilterOfAnotherQuestion: a program that was made of anything else than what
// is asked for is not loaded, whatever it is kept as: the filter is compiled.
func TestFilterOfAnotherQuestion(t *testing.T) {
	s := newFilterStore(t)
	leaks.Check(t)
	image := "dir:" + built(t).root
	if got := finish(t, s.launcher(t, image, "/peek", "id")); got.code != 0 {
		t.Fatal(got.err)
	}
	shown, err := exec.Command(built(t).safeRun, "seccomp", "show", "--format", "raw", "--reporting="+strconv.FormatBool(trace.Available()), "default").Output()
	if err != nil {
		t.Fatal(err)
	}
	path, kept := s.read(t)
	last := bytes.Clone(kept.Question)
	last[len(last)-16]++ // of the last rule
	for name, question := range map[string][]byte{
		"shorter": kept.Question[:len(kept.Question)-16], "longer": append(bytes.Clone(kept.Question), make([]byte, 16)...), "another end": last,
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, filters.Entry{Question: question, Program: marked}.Encode(filepath.Base(path)), 0o600); err != nil {
				t.Fatal(err)
			}
			r, _ := begin(t, s.launcher(t, image, "/peek", "sleep", "1m"))
			if got := lastFilter(t, r); !bytes.Equal(got, shown) {
				t.Errorf("the kernel has %d bytes, %d are shown", len(got), len(shown))
			}
		})
	}
}

// TestFilterStoreSpoilt: whatever has become of the store, a program runs under
// its filter, and where it can be, the entry is made anew.
func TestFilterStoreSpoilt(t *testing.T) {
	s := newFilterStore(t)
	leaks.Check(t)
	image := "dir:" + built(t).root
	run := func(t *testing.T) {
		t.Helper()
		got := finish(t, s.launcher(t, image, "/peek", "call", "unshare", "0x10000000"))
		if got.code != 0 || got.line() != "EPERM" {
			t.Errorf("exit code %d, %q\n%s", got.code, got.out, got.err)
		}
	}
	run(t)
	path, kept := s.read(t)
	good := kept.Encode(filepath.Base(path))
	for name, spoil := range map[string]func() error{
		"garbage": func() error { return os.WriteFile(path, bytes.Repeat([]byte("x"), 9999), 0o600) },
		"bit rot": func() error {
			return os.WriteFile(path, append(bytes.Clone(good[:5000]), append([]byte{good[5000] ^ 1}, good[5001:]...)...), 0o600)
		},
		"cut":       func() error { return os.Truncate(path, 4096) },
		"another's": func() error { return os.Chown(path, 1000, 1000) },
		"open":      func() error { return os.Chmod(path, 0o666) },
		"gone":      func() error { return os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			run(t)
			if got, err := (filters.Store{Dir: string(s)}).Load(filepath.Base(path)); err != nil || !bytes.Equal(got, good) {
				t.Errorf("it is not what it was: %d bytes, %v", len(got), err)
			}
		})
	}
	for name, spoil := range map[string]func() error{
		"the store is another's": func() error { return os.Chown(string(s), 1000, 1000) },
		"the store is open":      func() error { return errFirst(os.Chown(string(s), 0, 0), os.Chmod(string(s), 0o777)) },
		"the disk is full": func() error {
			return errFirst(unix.Mount("tmpfs", string(s), "tmpfs", 0, "size=4k,mode=0700"), os.WriteFile(filepath.Join(string(s), "full"), make([]byte, 4096), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			run(t)
			_ = unix.Unmount(string(s), unix.MNT_DETACH)
		})
	}
}

func errFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// strangeFilter has everything that a bundle's filter may have and ours has not:
// several architectures, each action and operator, and flags.
func strangeFilter() *specs.LinuxSeccomp {
	code := uint(unix.EXDEV)
	f := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"acct", "swapon", "no_such_call"}, Action: specs.ActErrno},
			{Names: []string{"swapoff"}, Action: specs.ActErrno, ErrnoRet: &code},
			{Names: []string{"bpf"}, Action: specs.ActKillProcess}, {Names: []string{"keyctl"}, Action: specs.ActKillThread},
			{Names: []string{"add_key"}, Action: specs.ActTrap}, {Names: []string{"request_key"}, Action: specs.ActTrace, ErrnoRet: &code},
			{Names: []string{"vhangup"}, Action: specs.ActTrace}, {Names: []string{"syslog"}, Action: specs.ActLog},
			{Names: []string{"getpid"}, Action: specs.ActAllow},
			{Names: []string{"personality"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{ // twice the same argument
				{Index: 0, Value: 7, Op: specs.OpEqualTo}, {Index: 0, Value: 9, Op: specs.OpEqualTo},
			}},
			{Names: []string{"ptrace"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{
				{Index: 0, Value: 7, Op: specs.OpEqualTo}, {Index: 1, Value: 1 << 33, Op: specs.OpGreaterThan},
			}},
		},
	}
	for i, op := range []specs.LinuxSeccompOperator{
		specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual,
	} {
		for _, name := range []string{"quotactl", "kcmp", "process_vm_readv", "process_vm_writev", "move_pages", "mbind"} {
			f.Syscalls = append(f.Syscalls, specs.LinuxSyscall{
				Names: []string{name}, Action: specs.ActErrno,
				Args: []specs.LinuxSeccompArg{{Index: uint(i) % 6, Value: 1<<40 + uint64(i), ValueTwo: 1 << 40, Op: op}},
			})
		}
	}
	return f
}

// TestFilterOfABundle: a bundle's filter is compiled once, too, whatever is in it,
// and what is kept is what libcontainer makes of it.
func TestFilterOfABundle(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("NOT CHECKED: that the filter of a bundle is compiled once: the test has the architectures of amd64")
	}
	s := newFilterStore(t)
	wrapped := filepath.Join(t.TempDir(), "runtime")
	script := fmt.Sprintf("#!/bin/sh\nexec unshare -m sh -c 'mount --bind %s %s && exec \"$0\" \"$@\"' %s \"$@\"\n", s, runc.FiltersDir, safeRunOCI(t))
	if err := os.WriteFile(wrapped, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBundle(t, wrapped)
	b.oci.Linux.Seccomp = strangeFilter()
	b.write(t, "sleep", "60")
	run := func() []byte {
		t.Helper()
		file := filepath.Join(t.TempDir(), "pid")
		b.must(t, "run", "--detach", "--pid-file", file, "c")
		defer b.must(t, "delete", "--force", "c")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		filters, err := filtersOf(pid)
		if err != nil || len(filters) == 0 {
			t.Skipf("NOT CHECKED: which filter is loaded: %d, %v", len(filters), err)
		}
		return filters[len(filters)-1]
	}
	first := run()
	path, kept := s.read(t)
	replace := func(e filters.Entry) {
		t.Helper()
		if err := os.WriteFile(path, e.Encode(filepath.Base(path)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := bytes.Clone(kept.Question)
	other[len(other)-16]++
	replace(filters.Entry{Question: other, Program: marked})
	if got := run(); !bytes.Equal(got, first) || !bytes.HasSuffix(got, kept.Program) {
		t.Errorf("libcontainer makes %d bytes of it, and we %d", len(got), len(first))
	}
	replace(filters.Entry{Question: kept.Question, Program: marked})
	if got := run(); !bytes.HasSuffix(got, marked) {
		t.Errorf("what is kept is not loaded: %d bytes are", len(got))
	}
}
