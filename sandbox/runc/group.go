package runc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// A group is a control group below a container's, for a process that joins and
// all that it starts: whatever leaves its session or its parent is still in
// there. It has no limits of its own; those of the container hold for it.
type group struct {
	path string            // the directory
	sub  map[string]string // as libcontainer wants it
}

// groupIn are the hierarchies of cgroup version 1 to make a group in, the best
// first: what is frozen cannot fork while it is killed.
var groupIn = []string{"freezer", "pids", "devices", "memory", "name=systemd"}

// groupOf is the group called name, which may not be there.
func groupOf(paths map[string]string, name string) (*group, error) {
	controller := ""
	if !cgroups.IsCgroup2UnifiedMode() {
		for _, c := range groupIn {
			if paths[c] != "" {
				controller = c
				break
			}
		}
	}
	if paths[controller] == "" {
		return nil, errors.New("the container's control group is not known")
	}
	return &group{path: filepath.Join(paths[controller], name), sub: map[string]string{controller: name}}, nil
}

// newGroup makes the group called name, or takes one that was left.
func newGroup(paths map[string]string, name string) (*group, error) {
	g, err := groupOf(paths, name)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(g.path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		if errors.Is(err, os.ErrNotExist) {
			err = ErrGone
		}
		return nil, err
	}
	return g, nil
}

// KillGroup kills all that is in the group of a process that has joined, or is
// about to; see Join. It is no error when nothing is.
func (l *Live) KillGroup(name string) error {
	g, err := groupOf(l.cgroups, name)
	if err != nil {
		return err
	}
	return g.kill(killPatience)
}

// killPatience bounds the time that the kernel takes to kill a group.
const killPatience = 10 * time.Second

// kill kills all that is in the group, until nothing is: who is just being
// killed may fork. What cannot be killed in time is an error: a container that
// is paused may keep its dead until it goes on.
func (g *group) kill(patience time.Duration) error {
	end := time.Now().Add(patience)
	frozen := g.write("freezer.state", "FROZEN") == nil // version 1
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		pids, err := cgroups.GetAllPids(g.path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || err == nil && len(pids) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("kill a process with all that it started: %w", err)
		}
		if time.Now().After(end) {
			if frozen {
				_ = g.write("freezer.state", "THAWED") // so that they end when they can
			}
			return fmt.Errorf("kill a process with all that it started: %d of them are left after %v", len(pids), patience)
		}
		if g.write("cgroup.kill", "1") != nil { // before Linux 5.14, or version 1
			g.killEach(pids)
		}
		if frozen {
			_ = g.write("freezer.state", "THAWED")
		}
		time.Sleep(pause)
		if frozen {
			_ = g.write("freezer.state", "FROZEN")
		}
	}
}

// killEach kills processes that are in the group still once they are held: a
// number may be somebody else's by then, and a pidfd never is.
func (g *group) killEach(pids []int) {
	held := make(map[int]int, len(pids))
	for _, pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			held[pid] = fd
		}
	}
	still, _ := cgroups.GetAllPids(g.path)
	for _, pid := range still {
		if fd, ok := held[pid]; ok {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
	}
	for _, fd := range held {
		unix.Close(fd)
	}
}

func (g *group) write(name, text string) error {
	f, err := os.OpenFile(filepath.Join(g.path, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// remove removes the group, in which nothing is left.
func (g *group) remove() error { return cgroups.RemovePath(g.path) }
