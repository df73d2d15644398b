package runc

// #include "keeper.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// keeper is a process that keeps a container's scope. systemd removes a scope,
// with the control group and all that it has counted, as soon as its last
// process ends, and then nobody can say that it ended for lack of memory.
//
// It stays in a group of its own below the container's, and ends with the
// thread that made it, or with the scope.
type keeper struct{ pid int }

// keep starts the keeper of the group at path. The calling thread must live as
// long as the container.
func keep(path string) (*keeper, error) {
	dir := filepath.Join(path, "keeper")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	group, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer group.Close()
	pid := int(C.safe_run_keeper(C.int(group.Fd())))
	if pid < 0 {
		return nil, fmt.Errorf("start a process in %s: %w", dir, unix.Errno(-pid))
	}
	// memory.oom.group spares who cannot be killed for memory (cgroup-v2.rst).
	// Where this may not be lowered, the keeper may go with the container, and
	// the cause of its end with both.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("-1000"), 0)
	return &keeper{pid}, nil
}

// end kills the keeper, when nobody has yet, and waits for it.
func (k *keeper) end() error {
	if k == nil {
		return nil
	}
	// It has not been waited for, so that the number is still its own.
	if err := unix.Kill(k.pid, unix.SIGKILL); err != nil {
		return fmt.Errorf("kill the scope's keeper: %w", err)
	}
	for {
		// It has no exit signal, so that a plain wait does not see it.
		_, err := unix.Wait4(k.pid, nil, unix.WALL, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
