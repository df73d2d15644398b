package lsm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/guard"
	"github.com/safe-run/safe-run/spec/problem"
)

// unfinished begins the names of directories that are not, or no longer, the guard.
// The filesystem takes no dots (bpf_lookup() in kernel/bpf/inode.c).
const unfinished = guard.FS + "/safe-run-unfinished-"

// State is what there is of the guard.
type State struct {
	On bool
	// Hooks are where it is asked, and Same says that it is this version's.
	Hooks []string
	Same  bool
}

// Look says whether the guard is on. What another user has made by its name is not.
func Look() (State, error) {
	own, err := guard.Own(guard.Dir)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && !own:
		return State{}, nil
	case err == nil:
		return look()
	}
	return State{}, problem.New("run it as root", "guard: look at %s: %w", guard.Dir, err)
}

func look() (State, error) {
	entries, err := os.ReadDir(guard.Dir)
	if err != nil {
		return State{}, problem.New("run it as root", "guard: %w", err)
	}
	s := State{On: true}
	for _, e := range entries {
		if e.Name() != filepath.Base(guard.MapPath) && isLink(e.Name()) {
			s.Hooks = append(s.Hooks, e.Name())
		}
	}
	marks, err := ebpf.LoadPinnedMap(guard.MapPath, nil)
	if err != nil {
		return s, nil
	}
	defer marks.Close()
	info, err := marks.Info()
	if err != nil {
		return s, fmt.Errorf("guard: %w", err)
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return s, fmt.Errorf("guard: %w", err)
	}
	s.Same = info.Name == guard.MapName && info.KeySize == keySize && info.ValueSize == markSize && slices.Equal(s.Hooks, ours(func(hook string) bool { return asksAt(types, hook) }))
	return s, nil
}

// isLink says whether a pin is of a program that the kernel asks: a name alone says nothing.
func isLink(hook string) bool {
	one, err := link.LoadPinnedLink(filepath.Join(guard.Dir, hook), nil)
	if err != nil {
		return false
	}
	defer one.Close()
	info, err := one.Info()
	return err == nil && info.Type == link.TracingType && ebpf.AttachType(info.Tracing().AttachType) == ebpf.AttachLSMMac
}

// ours are the hooks that this version uses on a kernel that asks at some, sorted.
func ours(asks func(hook string) bool) []string {
	var out []string
	for _, h := range hooks {
		if !h.optional || asks(h.name) {
			out = append(out, h.name)
		}
	}
	slices.Sort(out)
	return out
}

// Other is what is said of a guard that this version has not switched on.
func Other() error {
	return problem.New("safe-run guard off && safe-run guard on, when no container runs", "guard: another version of safe-run has switched it on, or it is not whole")
}

// On switches the guard on: all of it or nothing. It gives false when it was on.
func On() (fresh bool, err error) {
	if err := Possible(); err != nil {
		return false, err
	}
	unlock, err := lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	if err := mount(); err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			unmount()
		}
	}()
	if err := sweep(); err != nil {
		return false, err
	}
	state, err := Look()
	switch {
	case err != nil:
		return false, err
	case state.On && !state.Same:
		// Those who run are marked for the programs of the other, and would be
		// free of ours.
		return false, Other()
	case state.On:
		_, _ = guard.Collect() // what is left stays for the next time
		return false, nil
	}
	if err := removeForeign(); err != nil {
		return false, err
	}
	l, err := load()
	if err != nil {
		return false, err
	}
	defer l.close()
	dir, err := os.MkdirTemp(guard.FS, filepath.Base(unfinished)+"*")
	if err != nil {
		return false, fmt.Errorf("guard: %w", err)
	}
	if err = l.pin(dir); err == nil {
		err = os.Rename(dir, guard.Dir)
	}
	if err != nil {
		return false, errors.Join(err, os.RemoveAll(dir))
	}
	return true, nil
}

// Off switches it off, and gives false when it was not on. A launcher that comes
// meanwhile finds it whole or not at all.
func Off() (was bool, err error) {
	if os.Geteuid() != 0 {
		return false, problem.New("run it as root", "guard: only root may switch it off")
	}
	unlock, err := lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	if err := removeForeign(); err != nil {
		return false, err
	}
	if gone, err := os.MkdirTemp(guard.FS, filepath.Base(unfinished)+"*"); err == nil {
		err = os.Rename(guard.Dir, filepath.Join(gone, "guard"))
		was = err == nil
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, fmt.Errorf("guard: %w", err)
		}
	} else if entry, _ := os.Lstat(guard.Dir); entry != nil {
		return false, fmt.Errorf("guard: %w", err)
	}
	if err := sweep(); err != nil {
		return was, err
	}
	unmount()
	return was, nil
}

// removeForeign removes what is in the guard's place and is not root's.
func removeForeign() error {
	own, err := guard.Own(guard.Dir)
	if err == nil && !own {
		err = os.RemoveAll(guard.Dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return problem.New("rm -r "+guard.Dir, "guard: %w", err)
	}
	return nil
}

// sweep removes what is not finished, or was switched off. The programs end with
// their links.
func sweep() error {
	dirs, err := filepath.Glob(unfinished + "*")
	for _, dir := range dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// lock has one process at a time switch: a directory that every kernel has.
func lock() (unlock func(), err error) {
	f, err := os.Open("/sys/fs")
	if err == nil {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err == nil {
			return func() { f.Close() }, nil
		}
		f.Close()
	}
	return nil, problem.New("see whether sysfs is mounted", "guard: %w", err)
}

// mountedAs is the source of a mount that we have made, and so may take away.
const mountedAs = "safe-run"

// mount mounts the filesystem of pins where nobody has.
func mount() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(guard.FS, &fs); err == nil && fs.Type == unix.BPF_FS_MAGIC {
		return trusted(guard.FS)
	}
	err := unix.Mount(mountedAs, guard.FS, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700")
	if err != nil {
		return problem.New(mountHint, "guard: mount %s: %w", guard.FS, err)
	}
	return nil
}

const mountHint = "mount -t bpf -o mode=0700 bpf " + guard.FS

// trusted says that nobody but root can move what root has in a directory.
func trusted(dir string) error {
	var at unix.Stat_t
	if err := unix.Stat(dir, &at); err != nil {
		return fmt.Errorf("guard: %s: %w", dir, err)
	}
	if at.Uid != 0 || at.Mode&0o022 != 0 && at.Mode&unix.S_ISVTX == 0 {
		return problem.New("umount "+dir+"; "+mountHint, "guard: others than root may move what is in %s (uid %d, mode %#o)", dir, at.Uid, at.Mode&0o7777)
	}
	return nil
}

// unmount takes our own mount away when nobody has anything there.
func unmount() {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || !strings.Contains(string(mounts), mountedAs+" "+guard.FS+" bpf ") {
		return
	}
	entries, err := os.ReadDir(guard.FS)
	others := slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return e.Name() != "maps.debug" && e.Name() != "progs.debug" // the kernel's own (CONFIG_BPF_PRELOAD)
	})
	if err == nil && !others {
		_ = unix.Unmount(guard.FS, 0) // or somebody has it open
	}
}
