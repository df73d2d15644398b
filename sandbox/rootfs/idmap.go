package rootfs

// #include <stdlib.h>
// #include "userns.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// IDs is a user namespace that idmapped mounts take their ids from. It takes a
// millisecond to make, so it is begun early and waited for when it is needed.
type IDs struct {
	Range spec.IDRange
	ready chan struct{}
	ns    *os.File
	err   error
}

// StartIDs begins to make a user namespace that maps 0.. to ids.
func StartIDs(ids spec.IDRange) *IDs {
	i := &IDs{Range: ids, ready: make(chan struct{})}
	go func() {
		defer close(i.ready)
		// The child ends with its parent, which to the kernel is this thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		i.ns, i.err = userNamespace(ids.First, ids.Count)
	}()
	return i
}

// namespace waits for the namespace.
func (i *IDs) namespace() (*os.File, error) {
	<-i.ready
	return i.ns, i.err
}

// Close lets go of the namespace.
func (i *IDs) Close() error {
	<-i.ready
	if i.ns == nil {
		return nil
	}
	return i.ns.Close()
}

// userNamespace makes a user namespace that maps 0..count-1 to first.. and
// returns a descriptor of it, which keeps it.
func userNamespace(first, count uint32) (_ *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	shared := (*C.struct_safe_run_userns)(C.calloc(1, C.sizeof_struct_safe_run_userns))
	defer C.free(unsafe.Pointer(shared))
	pid := int(C.safe_run_userns(shared, C.int(r.Fd())))
	defer func() { C.free(shared.stack) }()
	if pid < 0 {
		w.Close()
		return nil, fmt.Errorf("make a user namespace: %w", unix.Errno(-pid))
	}
	defer func() {
		_, werr := w.Write([]byte{1})
		w.Close()
		err = errors.Join(err, werr)
		// The child has no exit signal, so that a plain wait does not see it.
		_, werr = unix.Wait4(pid, nil, unix.WALL, nil)
		err = errors.Join(err, werr)
	}()
	mapping := fmt.Sprintf("0 %d %d", first, count)
	for _, file := range []string{"uid_map", "gid_map"} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, file), []byte(mapping), 0); err != nil {
			return nil, err
		}
	}
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
}

// cloneTree makes a detached copy of the mount at source, read-only, nosuid and
// nodev, and with the ids of ns when it is not nil (mount_setattr(2), 5.12).
func cloneTree(source, ns *os.File) (*os.File, error) {
	path := source.Name()
	fd, err := unix.OpenTree(int(source.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return nil, fmt.Errorf("open_tree %s: %w", path, err)
	}
	tree := os.NewFile(uintptr(fd), path)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if ns != nil {
		attr.Attr_set |= unix.MOUNT_ATTR_IDMAP
		attr.Userns_fd = uint64(ns.Fd())
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		tree.Close()
		return nil, fmt.Errorf("mount_setattr %s: %w", path, err)
	}
	return tree, nil
}
