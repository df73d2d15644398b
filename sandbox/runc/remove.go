package runc

import (
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// killTimeout bounds the wait for killed processes to leave their cgroup.
const killTimeout = 10 * time.Second

// Remove kills whatever runs in the cgroup of a container whose launcher is
// gone and removes the cgroup. It needs nothing but the path, because the
// launcher may have died at any point. It is idempotent.
func Remove(cgroupsPath string, systemd bool) error {
	if cgroupsPath == "" || path.Clean(cgroupsPath) == "/" { // all of the host
		return nil
	}
	config, err := specconv.CreateCgroupConfig(&specconv.CreateOpts{
		UseSystemdCgroup: systemd,
		Spec:             &specs.Spec{Linux: &specs.Linux{CgroupsPath: cgroupsPath}},
	}, nil)
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", cgroupsPath, err)
	}
	cgroup, err := manager.New(config)
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", cgroupsPath, err)
	}
	if err := killAll(cgroup); err != nil {
		return err
	}
	return cgroup.Destroy()
}

// killAll kills until nothing is left: a process may fork while it is being
// killed, and a stage of libcontainer's init may still be joining.
func killAll(cgroup cgroups.Manager) error {
	for deadline := time.Now().Add(killTimeout); ; time.Sleep(2 * time.Millisecond) {
		// A frozen process does not die on cgroup version 1.
		_ = cgroup.Freeze(cgroups.Thawed)
		pids, err := allPids(cgroup)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes of the container do not die", len(pids))
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// allPids looks into every hierarchy, because on version 1 a process joins
// them one after the other.
func allPids(cgroup cgroups.Manager) ([]int, error) {
	seen := map[int]bool{}
	var out []int
	for _, at := range cgroup.GetPaths() {
		pids, err := cgroups.GetAllPids(at)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
			return nil, err
		}
		for _, pid := range pids {
			if !seen[pid] {
				seen[pid] = true
				out = append(out, pid)
			}
		}
	}
	return out, nil
}
