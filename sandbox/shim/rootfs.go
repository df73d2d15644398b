package shim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/api/types"
	"github.com/containerd/containerd/v2/core/mount"
	"golang.org/x/sys/unix"
)

// mountRoot mounts what containerd's snapshotter gives at the bundle's rootfs,
// where containerd looks for it when it cleans up.
func mountRoot(bundle string, parts []*types.Mount) (err error) {
	if len(parts) == 0 {
		return nil // the bundle has a root of its own
	}
	root := rootOf(bundle)
	if err := os.Mkdir(root, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unmountRoot(bundle))
		}
	}()
	for _, p := range parts {
		m := mount.Mount{Type: p.Type, Source: p.Source, Target: p.Target, Options: p.Options}
		if err := m.Mount(root); err != nil {
			return fmt.Errorf("failed to mount rootfs component: %w", err)
		}
	}
	return nil
}

// unmountRoot undoes it. A mount that is in use goes when its user does.
func unmountRoot(bundle string) error {
	err := mount.UnmountRecursive(rootOf(bundle), 0)
	if errors.Is(err, unix.EBUSY) {
		err = mount.UnmountRecursive(rootOf(bundle), unix.MNT_DETACH)
	}
	return err
}

func rootOf(bundle string) string { return filepath.Join(bundle, "rootfs") }
