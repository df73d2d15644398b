package lsm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
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

// Look says whether the guard is on.
func Look() (State, error) {
	entries, err := os.ReadDir(guard.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, problem.New("run it as root", "guard: %w", err)
	}
	s := State{On: true}
	for _, e := range entries {
		if e.Name() != filepath.Base(guard.MapPath) {
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
	s.Same = info.Name == guard.MapName && info.ValueSize == markSize && slices.Equal(s.Hooks, ours())
	return s, nil
}

// ours are the hooks of this version, sorted.
func ours() []string {
	var out []string
	for _, h := range hooks {
		out = append(out, h.name)
	}
	slices.Sort(out)
	return out
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
		return false, problem.New("safe-run guard off && safe-run guard on, when no container runs", "guard: another version of safe-run has switched it on, and it is not whole or not this one's")
	case state.On:
		return false, nil
	}
	l, err := load()
	if err != nil {
		return false, err
	}
	defer l.close()
	dir := fmt.Sprintf("%s%d", unfinished, os.Getpid())
	if err := os.Mkdir(dir, 0o700); err != nil {
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
	gone := fmt.Sprintf("%s%d", unfinished, os.Getpid())
	err = os.Rename(guard.Dir, gone)
	was = err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("guard: %w", err)
	}
	if err := sweep(); err != nil {
		return was, err
	}
	unmount()
	return was, nil
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
		return nil
	}
	err := unix.Mount(mountedAs, guard.FS, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700")
	if err != nil {
		return problem.New("mount -t bpf bpf "+guard.FS, "guard: mount %s: %w", guard.FS, err)
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
