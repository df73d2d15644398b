package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// skeletonBytes bounds the layer of files and mount points that goes on top of
// an image; it holds a few kilobytes.
const skeletonBytes = 1 << 20

// Assemble mounts the root of a sandbox below dir and returns its path. It
// must run on a Thread. ids is the container's range.
//
// The layer on top is a tmpfs of its own, so that nothing is ever created in
// the image's tree; the image's tree is below it as an idmapped read-only
// mount. A root that may be written gets a second tmpfs as overlay's upper.
func Assemble(plan spec.Rootfs, dir string, ids *IDs) (string, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return "", err
	}
	size := int64(skeletonBytes)
	if !plan.ReadOnly {
		size += plan.WritableBytes
	}
	data := fmt.Sprintf("size=%d,mode=0711", size)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		return "", fmt.Errorf("mount a tmpfs for the root: %w", err)
	}
	top := filepath.Join(dir, "top")
	if err := os.Mkdir(top, 0o755); err != nil {
		return "", err
	}
	if plan.Source == "" {
		if err := skeleton(plan, top, "", ids.Range); err != nil {
			return "", err
		}
		return top, remount(top, plan.ReadOnly)
	}
	// One descriptor for all that looks at the image: whoever may rename its
	// directory must not have one tree looked at and another mounted.
	source, err := openSource(plan.Source)
	if err != nil {
		return "", err
	}
	defer source.Close()
	if err := skeleton(plan, top, fmt.Sprintf("/proc/self/fd/%d", source.Fd()), ids.Range); err != nil {
		return "", err
	}
	return overlay(plan, source, dir, ids)
}

// openSource opens the image's tree. Its path was resolved when the image was
// opened, so that a link in it now has been put there since.
func openSource(path string) (*os.File, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, problem.New("run it again, and see who may write to the directories above", "the image's root %s has changed since it was opened: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// remount makes a plain root of its own mount, with its flags.
func remount(top string, readOnly bool) error {
	if err := unix.Mount(top, top, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind the root: %w", err)
	}
	flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_NOSUID | unix.MS_NODEV)
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	return os.NewSyscallError("mount", unix.Mount("", top, "", flags, ""))
}

// overlay mounts the layers of plan at dir/merged.
func overlay(plan spec.Rootfs, source *os.File, dir string, ids *IDs) (string, error) {
	var ns *os.File
	if plan.IDMap {
		var err error
		if ns, err = ids.namespace(); err != nil {
			return "", err
		}
	}
	tree, err := cloneTree(source, ns)
	if err != nil {
		return "", idmapProblem(plan.Source, err)
	}
	defer tree.Close()
	// Attached before it becomes a layer: overlayfs refuses layers on
	// detached mounts before Linux 6.15.
	image := filepath.Join(dir, "image")
	if err := os.Mkdir(image, 0o711); err != nil {
		return "", err
	}
	if err := unix.MoveMount(int(tree.Fd()), "", unix.AT_FDCWD, image, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return "", fmt.Errorf("move_mount %s: %w", image, err)
	}
	top, merged := filepath.Join(dir, "top"), filepath.Join(dir, "merged")
	if err := os.Mkdir(merged, 0o711); err != nil {
		return "", err
	}
	// The kernel may follow redirects and metacopy that a hostile tree carries
	// in its extended attributes (Documentation/filesystems/overlayfs.rst).
	options := []string{"lowerdir=" + top + ":" + image, "redirect_dir=nofollow", "metacopy=off", "index=off"}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if plan.ReadOnly {
		flags |= unix.MS_RDONLY
	} else {
		upper, err := upperDirs(dir, ids.Range)
		if err != nil {
			return "", err
		}
		options = append(options, upper...)
	}
	if err := unix.Mount("overlay", merged, "overlay", flags, strings.Join(options, ",")); err != nil {
		return "", idmapProblem(plan.Source, fmt.Errorf("overlay: %w", err))
	}
	return merged, nil
}

// upperDirs makes overlay's upper and work directories on the tmpfs.
func upperDirs(dir string, ids spec.IDRange) ([]string, error) {
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{upper, work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, err
		}
		if err := os.Chown(d, int(ids.First), int(ids.First)); err != nil {
			return nil, err
		}
	}
	return []string{"upperdir=" + upper, "workdir=" + work}, nil
}

// idmapProblem says in one line that a filesystem cannot be mounted with the
// container's ids. Degrading is decided when the plan is compiled, not here;
// --accept idmapped-mounts is for a kernel that has none.
func idmapProblem(source string, err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return problem.New("move the image to ext4, xfs or btrfs (tmpfs can from Linux 6.3 on)",
			"the filesystem of %s cannot be idmapped: %w", source, err)
	}
	return err
}
