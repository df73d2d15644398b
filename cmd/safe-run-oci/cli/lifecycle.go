package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// verbs are all commands.
func (a *app) verbs() []*verb {
	return []*verb{
		a.createVerb(), a.deleteVerb(), a.eventsVerb(), a.execVerb(), a.featuresVerb(), a.killVerb(), a.listVerb(), a.pauseVerb(),
		a.psVerb(), a.resumeVerb(), a.runVerb(), a.specVerb(), a.startVerb(), a.stateVerb(), a.updateVerb(),
	}
}

// on is a verb that does one thing to a container.
func (a *app) on(do func(*runc.Bundle) error) func([]string) (int, error) {
	return func(args []string) (int, error) {
		container, err := a.load(args)
		if err != nil {
			return 0, err
		}
		return 0, do(container)
	}
}

func (a *app) startVerb() *verb {
	return &verb{
		name: "start", usage: "executes the user defined process in a created container", args: "<container-id>", least: 1, most: 1,
		run: a.on(a.start),
	}
}

func (a *app) start(container *runc.Bundle) error {
	status, err := container.Status()
	if err != nil {
		return err
	}
	switch status {
	case runc.Created:
	case runc.Stopped:
		return errors.New("cannot start a container that has stopped")
	case runc.Running:
		return errors.New("cannot start an already running container")
	default:
		return fmt.Errorf("cannot start a container in the %s state", status)
	}
	all, err := a.bundles()
	if err != nil {
		return err
	}
	notify := all.NewNotify(os.Getenv("NOTIFY_SOCKET"), container.ID())
	if notify == nil {
		return container.Start()
	}
	if err := notify.Listen(); err != nil {
		return err
	}
	if err := container.Start(); err != nil {
		return err
	}
	state, err := container.State()
	if err != nil {
		return err
	}
	r := &run{container: container}
	return notify.Forward(state.Pid, r.lives)
}

func (a *app) killVerb() *verb {
	all := false
	return &verb{
		name: "kill", usage: "kill sends the specified signal (default: SIGTERM) to the container's init process",
		args: "<container-id> [signal]", least: 1, most: 2,
		declare: func(f *flags) { f.bool(&all, "all, a", "") },
		run: func(args []string) (int, error) {
			container, err := a.load(args)
			if err != nil {
				return 0, err
			}
			name := "SIGTERM"
			if len(args) > 1 && args[1] != "" {
				name = args[1]
			}
			sig, err := runc.ParseSignal(name)
			if err != nil {
				return 0, err
			}
			err = container.Signal(sig)
			if all && errors.Is(err, runc.ErrNotRunning) {
				return 0, nil
			}
			return 0, err
		},
	}
}

func (a *app) deleteVerb() *verb {
	force := false
	return &verb{
		name: "delete", usage: "delete any resources held by the container often used with detached container",
		args: "<container-id>", least: 1, most: 1,
		declare: func(f *flags) {
			f.bool(&force, "force, f", "Forcibly deletes the container if it is still running (uses SIGKILL)")
		},
		run: func(args []string) (int, error) { return 0, a.delete(args, force) },
	}
}

func (a *app) delete(args []string, force bool) error {
	container, err := a.load(args)
	if errors.Is(err, runc.ErrNotExist) {
		// A start that was cut short leaves a directory without a state. The
		// name was checked before anything was looked for.
		if gone := os.RemoveAll(filepath.Join(a.root, filepath.Base(args[0]))); gone != nil {
			logrus.Warn(gone)
		}
		if force {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if force {
		// A stopped container too: without a pid namespace of its own some of
		// its processes may still be there.
		return container.Kill()
	}
	status, err := container.Status()
	if err != nil {
		return err
	}
	switch status {
	case runc.Stopped:
		return container.Destroy()
	case runc.Created:
		return container.Kill()
	}
	return fmt.Errorf("cannot delete container %s that is not stopped: %s", args[0], status)
}

func (a *app) pauseVerb() *verb {
	return &verb{
		name: "pause", usage: "pause suspends all processes inside the container", args: "<container-id>", least: 1, most: 1,
		run: a.on(func(c *runc.Bundle) error { return a.aboutCgroups("pause", c.Pause()) }),
	}
}

func (a *app) resumeVerb() *verb {
	return &verb{
		name: "resume", usage: "resumes all processes that have been previously paused", args: "<container-id>", least: 1, most: 1,
		run: a.on(func(c *runc.Bundle) error { return a.aboutCgroups("resume", c.Resume()) }),
	}
}

// aboutCgroups says what may be the reason when something is not permitted.
func (a *app) aboutCgroups(what string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		logrus.Warnf("%s %s failure might be caused by lack of full access to cgroups", a.name, what)
	}
	return err
}
