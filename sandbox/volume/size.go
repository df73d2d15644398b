package volume

import (
	"errors"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// ErrNoSize says that a filesystem keeps no sizes.
var ErrNoSize = errors.New("no size can be kept")

// noSize says why a size cannot be had. Without one a volume would be filled to
// the end of the disk by somebody who was told that it cannot be.
func (s *Store) noSize(err error) error {
	return problem.New("keep "+s.dir+" on ext4 (tune2fs -O project,quota) or xfs, mounted with prjquota; or leave the size out",
		"%w: %s is on %s without project quotas: %v", ErrNoSize, s.dir, fsName(s.dir), err)
}

// fsName is what a filesystem is called.
func fsName(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return "an unknown filesystem"
	}
	switch int64(st.Type) {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return "another filesystem"
}

// The numbers of projects, away from those that people give.
const (
	firstProject = 0x5afe0000
	projects     = 0x10000
)

// newProject bounds an empty directory and gives the project that it belongs
// to, which is no other's.
func (s *Store) newProject(data *os.File, size int64) (uint32, error) {
	if err := enforced(data); err != nil {
		return 0, s.noSize(err)
	}
	// Those who look for a number take turns, until it has its limit.
	dir, err := os.Open(s.dir)
	if err != nil {
		return 0, err
	}
	defer dir.Close() // and unlocks
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return 0, os.NewSyscallError("flock", err)
		}
	}
	for range 1000 {
		project := firstProject + rand.Uint32N(projects)
		has, err := readLimit(data, project)
		if err != nil {
			return 0, s.noSize(err)
		}
		if has.blockHard > 0 || has.inodes > 0 {
			continue // somebody's
		}
		if err := setLimit(data, project, size); err != nil {
			return 0, s.noSize(err)
		}
		if err := setProject(data, project); err != nil {
			return 0, errors.Join(s.noSize(err), setLimit(data, project, 0))
		}
		return project, nil
	}
	return 0, problem.New("remove volumes that have a size", "there is no number left for the quota of another volume")
}

// dropProject gives the number of a volume's quota back.
func dropProject(data *os.File, v Volume) error {
	if v.Size == 0 {
		return nil
	}
	return setLimit(data, v.Project, 0)
}

// checkSize fails unless a volume's size is kept now: the filesystem may have
// been mounted without quotas, or the volume copied here.
func (s *Store) checkSize(data *os.File, v Volume) error {
	if v.Size == 0 {
		return nil
	}
	if err := enforced(data); err != nil {
		return s.noSize(err)
	}
	has, err := readLimit(data, v.Project)
	if err != nil {
		return s.noSize(err)
	}
	if want := limitOf(v.Project, v.Size); has.blockHard != want.blockHard || has.inodeHard != want.inodeHard {
		return s.noSize(errors.New("its quota is another one now"))
	}
	project, err := projectOf(data)
	if err == nil && project != v.Project {
		err = errors.New("its files are not counted")
	}
	if err != nil {
		return s.noSize(err)
	}
	return nil
}
