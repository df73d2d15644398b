package shim

import (
	"context"
	"os"
	"path/filepath"
	"time"

	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/log"
)

// containerd may be killed while it has a container made. When it comes back it
// asks a shim that it has written down for the processes of its task, and finds
// none while the task is being made; of one that it has not written down it
// knows only the bundle. In both cases it removes the bundle and forgets the
// shim. What is made then is nobody's: it is looked for from time to time, and
// ended.

// forgotten is how often is looked. What is gone in two looks is given up.
const forgotten = 2 * time.Second

// config is the file that every bundle has.
func configOf(bundle string) string { return filepath.Join(bundle, "config.json") }

// lost says whether the bundle of a task is not there any more; another of the
// same name is not it.
func (t *task) lost() bool {
	_, err := os.Stat(configOf(t.bundle))
	return os.IsNotExist(err) || t.replaced()
}

// replaced says whether there is another bundle where that of a task was.
func (t *task) replaced() bool {
	now, err := os.Stat(configOf(t.bundle))
	return err == nil && t.config != nil && !os.SameFile(t.config, now)
}

// look comes after a while, and again for as long as there may be something to
// find.
func (s *Service) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later.Reset(forgotten)
}

// endForgotten ends the tasks whose bundles containerd has removed. Then, when
// nothing is left and its own bundle is gone too, it ends the shim.
func (s *Service) endForgotten() {
	s.looking.Lock()
	defer s.looking.Unlock()
	waiting, again := s.idle()
	for _, t := range waiting {
		if !t.lost() {
			t.missed = 0
		} else if t.missed++; t.missed > 1 {
			s.forget(t)
		}
	}
	s.mu.Lock()
	left := len(s.tasks)
	for _, t := range s.tasks {
		if !t.made && t.missed > 2 {
			left-- // whatever it waits for: it is not the container, which has been killed
		}
	}
	s.mu.Unlock()
	if left == 0 && ownIsLost() {
		if s.missed++; s.missed > 1 {
			s.end.Shutdown()
			return
		}
	} else {
		s.missed = 0
	}
	if again || left == 0 {
		s.look()
	}
}

// ownIsLost says whether the bundle that the shim was started for is gone.
func ownIsLost() bool {
	_, err := os.Stat("config.json")
	return os.IsNotExist(err)
}

// idle are the tasks that do not run: those that are being made, wait to be
// started, or have ended. One that runs is known: containerd has started it, and
// kills it before it removes its bundle.
func (s *Service) idle() (idle []*task, any bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		if !t.made || !t.init.is(tasktypes.Status_RUNNING) {
			idle = append(idle, t)
		}
	}
	return idle, len(idle) > 0
}

// forget ends a task that nobody knows. What is being made is killed, so that
// making it fails.
func (s *Service) forget(t *task) {
	ctx, cancel := context.WithTimeout(context.Background(), forgotten)
	defer cancel()
	s.mu.Lock()
	made := t.made
	s.mu.Unlock()
	logger := log.L.WithField("id", t.id)
	if !made {
		if err := t.killMaking(); err != nil {
			logger.WithError(err).Warn("a container that containerd has forgotten is not killed")
		}
		return
	}
	if err := s.deleteTask(ctx, t); err != nil {
		logger.WithError(err).Warn("a container that containerd has forgotten is not removed")
		return
	}
	t.clear()
	logger.Info("a container that containerd has forgotten is removed")
}

// killMaking kills a container that is being made.
func (t *task) killMaking() error {
	t.mu.Lock()
	container := t.container
	t.mu.Unlock()
	if container == nil {
		return nil
	}
	return container.KillAll()
}

// clear removes the directories that libcontainer makes again where the bundle
// has been, if nothing else is in them.
func (t *task) clear() {
	if _, err := os.Stat(configOf(t.bundle)); !os.IsNotExist(err) {
		return // another's
	}
	for _, dir := range []string{stateOf(t.bundle), rootOf(t.bundle), t.bundle} {
		_ = os.Remove(dir)
	}
}

// unserved ends the shim's start when the bundle is removed before there is a
// service: the library waits for whoever reads its log, and containerd, which
// would, may have been killed.
func unserved(ctx context.Context, end context.CancelFunc, serving <-chan struct{}) {
	ticks := time.NewTicker(forgotten)
	defer ticks.Stop()
	for missed := 0; missed < 2; {
		select {
		case <-serving:
			return
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		missed++
		if !ownIsLost() {
			missed = 0
		}
	}
	end()
}
