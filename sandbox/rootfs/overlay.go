package rootfs

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// overlay is an overlay mount to be. Every directory is given by descriptor:
// what was looked at is what is mounted, whoever may rename it meanwhile, and
// no name has to be quoted.
type overlay struct {
	lower       []*os.File // topmost first
	upper, work *os.File   // nil when it is read-only
}

// safeOptions keep the kernel from following redirects and metacopy that a
// hostile tree carries in its extended attributes
// (Documentation/filesystems/overlayfs.rst).
var safeOptions = [][2]string{{"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}}

// byMountData makes overlays as before Linux 6.8; tests set it.
var byMountData bool

// hasLayerOptions says whether overlayfs takes one option a layer (lowerdir+).
// An older kernel is not tried: it would complain in its log at every start.
func hasLayerOptions() bool {
	var name unix.Utsname
	var major, minor int
	if err := unix.Uname(&name); err != nil || byMountData {
		return false
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 6 || major == 6 && minor >= 8
}

// mount mounts the overlay at the directory at, which must be there. It must
// run on a Thread.
func (o overlay) mount(at string) error {
	if !hasLayerOptions() {
		return o.mountData(at)
	}
	mount, err := o.detached()
	if err != nil {
		return err
	}
	defer mount.Close()
	return os.NewSyscallError("move_mount", unix.MoveMount(int(mount.Fd()), "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// detached makes the mount without attaching it anywhere: it is gone when the
// descriptor is closed.
func (o overlay) detached() (*os.File, error) {
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	fsContext := os.NewFile(uintptr(fd), "overlay")
	defer fsContext.Close()
	if err := o.configure(fd); err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	attrs := unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	if o.upper == nil {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	mount, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return nil, os.NewSyscallError("fsmount", err)
	}
	return os.NewFile(uintptr(mount), "overlay"), nil
}

func (o overlay) configure(fd int) error {
	if err := unix.FsconfigSetString(fd, "source", "overlay"); err != nil {
		return err
	}
	if o.upper == nil {
		if err := unix.FsconfigSetFlag(fd, "ro"); err != nil {
			return err
		}
	}
	for _, option := range o.options() {
		if err := unix.FsconfigSetString(fd, option[0], option[1]); err != nil {
			return fmt.Errorf("%s: %w", option[0], err)
		}
	}
	return unix.FsconfigCreate(fd)
}

// options name directories in /proc, as overlayfs takes no descriptors before
// Linux 6.13.
func (o overlay) options() [][2]string {
	var list [][2]string
	for _, dir := range o.lower {
		list = append(list, [2]string{"lowerdir+", procPath(dir)})
	}
	if o.upper != nil {
		list = append(list, [2]string{"upperdir", procPath(o.upper)}, [2]string{"workdir", procPath(o.work)})
	}
	return append(list, safeOptions...)
}

// procPath is a path of what f has open.
func procPath(f *os.File) string { return descriptors + "/" + number(f) }

// descriptors is where the kernel shows what this process has open.
const descriptors = "/proc/self/fd"

func number(f *os.File) string { return strconv.Itoa(int(f.Fd())) }

// mountData mounts with mount(2), which takes its options as one text of at
// most a page. So the directories are named by their bare descriptor, relative
// to where the kernel shows them: 499 layers fit.
func (o overlay) mountData(at string) error {
	data, err := o.data(os.Getpagesize())
	if err != nil {
		return err
	}
	back, err := openPlain(unix.AT_FDCWD, ".", 0)
	if err != nil {
		return fmt.Errorf("open the working directory: %w", err)
	}
	defer back.Close()
	// Only this thread goes there: unshare(2) gave it a working directory of
	// its own.
	if err := unix.Chdir(descriptors); err != nil {
		return fmt.Errorf("chdir %s: %w", descriptors, err)
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if o.upper == nil {
		flags |= unix.MS_RDONLY
	}
	err = unix.Mount("overlay", at, "overlay", flags, data)
	if err != nil {
		err = fmt.Errorf("overlay: %w", err)
	}
	if back := unix.Fchdir(int(back.Fd())); back != nil {
		err = errors.Join(err, fmt.Errorf("return to the working directory: %w", back))
	}
	return err
}

// data is the text for mount(2), of less than limit bytes.
func (o overlay) data(limit int) (string, error) {
	lower := make([]string, len(o.lower))
	for i, dir := range o.lower {
		lower[i] = number(dir)
	}
	options := []string{"lowerdir=" + strings.Join(lower, ":")}
	if o.upper != nil {
		options = append(options, "upperdir="+number(o.upper), "workdir="+number(o.work))
	}
	for _, option := range safeOptions {
		options = append(options, option[0]+"="+option[1])
	}
	data := strings.Join(options, ",")
	if len(data) >= limit {
		return "", problem.New("build the image with fewer layers, or run it on Linux 6.8 or newer",
			"an image of %d layers cannot be mounted by this kernel: its options take %d bytes of %d", len(o.lower)-1, len(data), limit-1)
	}
	return data, nil
}
