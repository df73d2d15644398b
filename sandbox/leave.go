package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// What is left to the warden is what nobody can use any more once the first
// process has been waited for, with which every other has ended: empty control
// groups, directories of this sandbox alone, and namespaces without processes. The
// kernel takes mounts and network stacks down before it says that their last
// process has ended (exit_task_namespaces), and whoever waits for that waits for
// them; so somebody else has to have them open.

// canLeave says whether Close may leave the rest to the warden. It may not where
// somebody could notice that it is still there: what is mounted from the host, and
// volumes. The mount namespace is a copy of all mounts of the host, which keeps other
// file systems busy for these milliseconds, too, when they are unmounted meanwhile.
func (c *Cmd) canLeave() bool {
	bound := func(m specs.Mount) bool {
		return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
	}
	return c.Hasty && c.Driver != "systemd" && !c.Plan.Lifecycle.Prepared &&
		len(c.Plan.Volumes) == 0 &&
		has(c.Plan.OCI, specs.PIDNamespace) && !slices.ContainsFunc(c.Plan.OCI.Mounts, bound)
}

// holdMounts opens the mount namespace of the calling thread, which is where the
// root was assembled.
func (c *Cmd) holdMounts() {
	if c.canLeave() && !c.imageMounted() {
		c.hold("/proc/thread-self/ns/mnt")
	}
}

// imageMounted says whether the image is a directory of somebody's that is on another
// mount than the root: one that may want to unmount it as soon as the exit code is
// told. Its file system would be busy for as long as the namespace is held.
func (c *Cmd) imageMounted() bool {
	if !strings.HasPrefix(c.Plan.Image.Reference, "dir:") || c.Plan.Rootfs.Source == "" {
		return false
	}
	root, err := mountOf("/")
	image, err2 := mountOf(c.Plan.Rootfs.Source)
	return err != nil || err2 != nil || root != image
}

// mountOf is the number of the mount that path is on (statx(2), Linux 5.8).
func mountOf(path string) (uint64, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &st); err != nil {
		return 0, err
	}
	if st.Mask&unix.STATX_MNT_ID == 0 {
		return 0, unix.ENOSYS
	}
	return st.Mnt_id, nil
}

// holdNamespaces opens those of the first process whose end takes time, while it
// waits.
func (c *Cmd) holdNamespaces() {
	if len(c.spaces) == 0 {
		return
	}
	names := []string{"mnt", "ipc"}
	if c.Plan.Network.Mode == spec.NetworkNone {
		names = append(names, "net") // its interface would stay with it; see network.Leave
	}
	for _, name := range names {
		c.hold(fmt.Sprintf("/proc/%d/ns/%s", c.container.Pid(), name))
	}
}

// hold opens a namespace. Where that fails, its end is waited for.
func (c *Cmd) hold(path string) {
	if fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		c.spaces = append(c.spaces, fd)
	}
}

// letGoNamespaces closes them.
func (c *Cmd) letGoNamespaces() {
	for _, fd := range c.spaces {
		unix.Close(fd)
	}
	c.spaces = nil
}

// leave leaves the rest to the warden, and says whether it has. When it has not,
// nothing is changed that Close would not do as well.
func (c *Cmd) leave() (bool, error) {
	if !c.canLeave() || c.Exit == nil || len(c.spaces) == 0 {
		return false, nil
	}
	l := c.Lease
	if err := l.store.End(l.record); err != nil {
		return false, nil //nolint:nilerr // Close finds the same, and tells it
	}
	var orders []byte
	order := func(what byte, path string) { orders = append(append(append(orders, what), path...), 0) }
	for _, group := range c.container.Groups() {
		order('g', group)
	}
	order('c', l.store.SlotFile(l.Slot))
	order('t', l.store.Dir(l.ID))

	l.rest.Files, l.orders, c.spaces = append(l.rest.Files, c.spaces...), orders, nil
	if l.say() != nil { // it has been killed
		l.orders = nil
		return false, nil
	}
	l.letGo()
	go l.warden.Wait() //nolint:errcheck // only so that it does not stay as a zombie
	return true, l.ids.Close()
}

// has says whether a container has a namespace of its own.
func has(oci *specs.Spec, kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(oci.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == kind && ns.Path == "" })
}

// word is what the warden is told when it is dismissed.
func (l *Lease) word() []byte {
	switch {
	case l.orders != nil:
		kind := byte(wardenTidies)
		if l.rest.Idle {
			kind = wardenTidiesAndSettles
		}
		return append(binary.NativeEndian.AppendUint32([]byte{kind}, uint32(len(l.orders))), l.orders...)
	case l.rest.Idle:
		return []byte{wardenSettles}
	}
	return []byte{wardenDismissed}
}

// say sends it, with the files that the network and the namespaces left.
func (l *Lease) say() error {
	var rights []byte
	if len(l.rest.Files) > 0 {
		rights = unix.UnixRights(l.rest.Files...)
	}
	for word := l.word(); len(word) > 0; {
		n, err := unix.SendmsgN(l.alive, word, rights, nil, unix.MSG_NOSIGNAL)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("sendmsg", err)
		}
		word, rights = word[n:], nil
	}
	return nil
}
