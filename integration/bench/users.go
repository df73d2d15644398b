package main

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// acceptNoUser is what a host costs that has no user namespaces.
var acceptNoUser = []string{"--accept", "user-namespace"}

// maxUsers says how many user namespaces there may be.
const maxUsers = "/proc/sys/user/max_user_namespaces"

// hideUsers makes safe-run believe that the host has no user namespaces. Nobody
// else sees it: the bench has a mount namespace of its own.
func (w *world) hideUsers() error {
	zero := filepath.Join(w.dir, "zero")
	if err := os.WriteFile(zero, []byte("0\n"), 0o644); err != nil {
		return err
	}
	return os.NewSyscallError("mount", unix.Mount(zero, maxUsers, "", unix.MS_BIND, ""))
}

func (w *world) showUsers() error {
	return os.NewSyscallError("umount", unix.Unmount(maxUsers, unix.MNT_DETACH))
}

// userless is the scene of the directory where a host has no user namespaces, and
// that was accepted.
func (w *world) userless() scene {
	hidden := contestant{
		name: own, what: "--accept user-namespace", args: append(append([]string{w.safeRun}, acceptNoUser...), "dir:"+w.root, "/true"),
		before: w.hideUsers, after: w.showUsers,
	}
	s := scene{name: "userless", title: "true, from a directory, without a user namespace", rounds: 20, contestants: []contestant{
		hidden,
		{name: own + ", with one", what: "the default profile", args: []string{w.safeRun, "dir:" + w.root, "/true"}},
		installed(contestant{name: runcTheir, what: "the same plan but for the filter", args: []string{w.runc, "run", "--bundle", w.plain, "bench-plain"}}),
		installed(contestant{name: crunTheir, what: "the same plan but for the filter", args: []string{"crun", "run", "--bundle", w.plain, "bench-plain"}}),
	}, note: "What runc and crun are mostly compared in. safe-run goes without a user namespace only where the host has none and that was accepted, so that the file which says so is covered while it runs."}
	for i := range s.contestants {
		if w.always != "" {
			s.contestants[i].without = w.always
		}
	}
	return s
}

// uncovered makes sure that nothing covers the file at the end.
func (w *world) uncovered() error {
	var err error
	for err == nil {
		err = unix.Unmount(maxUsers, unix.MNT_DETACH)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil // no mount point any more, or no such file
	}
	return err
}
