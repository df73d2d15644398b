package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
// the image's tree; the image's layers are below it on an idmapped read-only
// mount. Of a root that may be written, overlay's upper is on the same tmpfs.
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
	if plan.Source == "" && len(plan.Layers) == 0 {
		if err := skeleton(plan, top, nil, ids.Range); err != nil {
			return "", err
		}
		return top, remount(top, plan.ReadOnly)
	}
	// Descriptors for all that looks at the image: whoever may rename its
	// directories must not have one tree looked at and another mounted.
	image, err := openStack(plan)
	if err != nil {
		return "", err
	}
	defer image.Close()
	if err := cover(plan, image, dir, ids.Range); err != nil {
		return "", err
	}
	return merge(plan, image, dir, ids)
}

// cover fills the layer on top of the image.
func cover(plan spec.Rootfs, image *stack, dir string, ids spec.IDRange) error {
	root, err := image.look(dir)
	if err != nil {
		return err
	}
	defer closeBeside(root)
	return skeleton(plan, filepath.Join(dir, "top"), root, ids)
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

// merge mounts the layers of plan at dir/merged.
func merge(plan spec.Rootfs, image *stack, dir string, ids *IDs) (string, error) {
	var ns *os.File
	var err error
	if plan.IDMap {
		if ns, err = ids.namespace(); err != nil {
			return "", err
		}
	}
	if err := image.clone(dir, ns); err != nil {
		return "", err
	}
	top, err := openPlain(unix.AT_FDCWD, filepath.Join(dir, "top"), 0)
	if err != nil {
		return "", err
	}
	defer top.Close()
	o := overlay{lower: append([]*os.File{top}, image.topmostFirst()...)}
	if !plan.ReadOnly {
		if o.upper, err = ownedDir(filepath.Join(dir, "upper"), ids.Range); err != nil {
			return "", err
		}
		defer o.upper.Close()
		if o.work, err = ownedDir(filepath.Join(dir, "work"), ids.Range); err != nil {
			return "", err
		}
		defer o.work.Close()
	}
	merged := filepath.Join(dir, "merged")
	if err := os.Mkdir(merged, 0o711); err != nil {
		return "", err
	}
	if err := o.mount(merged); err != nil {
		return "", idmapProblem(image.bases[0].Name(), ns, err)
	}
	return merged, nil
}

// ownedDir makes a directory of the container's root on the tmpfs.
func ownedDir(path string, ids spec.IDRange) (*os.File, error) {
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chown(path, int(ids.First), int(ids.First)); err != nil {
		return nil, err
	}
	return openPlain(unix.AT_FDCWD, path, 0)
}

// idmapProblem says in one line that a filesystem cannot be mounted with the
// ids of ns. Degrading is decided when the plan is compiled, not here;
// --accept idmapped-mounts is for a kernel that has none.
func idmapProblem(source string, ns *os.File, err error) error {
	if ns != nil && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)) {
		return problem.New("move the image to ext4, xfs or btrfs (tmpfs can from Linux 6.3 on)",
			"the filesystem of %s cannot be idmapped: %w", source, err)
	}
	return err
}
