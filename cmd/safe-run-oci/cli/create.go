package cli

import (
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// createOptions are the flags of create and run.
type createOptions struct {
	streamOptions
	bundle             string
	keep, noSubreaper  bool
	noPivot, noKeyring bool
}

func (o *createOptions) declare(f *flags) {
	f.text(&o.bundle, "bundle, b", "", "path to the root of the bundle directory, defaults to the current directory")
	o.streamOptions.declare(f)
	f.bool(&o.noPivot, "no-pivot", "do not use pivot root to jail process inside rootfs")
	f.bool(&o.noKeyring, "no-new-keyring", "do not create a new session keyring for the container")
}

func (a *app) createVerb() *verb {
	o := &createOptions{}
	return &verb{
		name: "create", usage: "create a container", args: "<container-id>", least: 1, most: 1,
		declare: o.declare,
		run: func(args []string) (int, error) {
			o.detach, o.wait = true, true
			code, err := a.create(args[0], *o)
			return code, failed(a.name+" create", err)
		},
	}
}

func (a *app) runVerb() *verb {
	o := &createOptions{}
	return &verb{
		name: "run", usage: "create and run a container", args: "<container-id>", least: 1, most: 1,
		declare: func(f *flags) {
			o.declare(f)
			f.bool(&o.detach, "detach, d", "detach from the container's process")
			f.bool(&o.keep, "keep", "do not delete the container after it exits")
			f.bool(&o.noSubreaper, "no-subreaper", "disable the use of the subreaper used to reap reparented processes")
		},
		run: func(args []string) (int, error) {
			code, err := a.create(args[0], *o)
			return code, failed(a.name+" run", err)
		},
	}
}

func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s failed: %w", what, err)
}

// create makes a container of a bundle and starts its first process.
func (a *app) create(id string, o createOptions) (int, error) {
	if o.pidFile != "" {
		// Made absolute before the bundle becomes the working directory.
		var err error
		if o.pidFile, err = filepath.Abs(o.pidFile); err != nil {
			return 0, err
		}
	}
	oci, err := openBundle(o.bundle)
	if err != nil {
		return 0, err
	}
	if id == "" {
		return 0, errEmptyID
	}
	all, err := a.bundles()
	if err != nil {
		return 0, err
	}
	oci, with, err := a.meet(oci)
	if err != nil {
		return 0, err
	}
	notify := all.NewNotify(os.Getenv("NOTIFY_SOCKET"), id)
	if notify != nil {
		notify.Mount(oci)
	}
	with.NoPivot, with.NoNewKeyring = o.noPivot, o.noKeyring
	container, err := all.Create(id, oci, with)
	if err != nil {
		return 0, err
	}
	code, err := a.launch(container, oci.Process, o, notify)
	// A container that was detached is somebody else's to delete.
	if err != nil || !o.detach && !o.keep {
		if gone := container.Destroy(); gone != nil {
			logrus.Warn(gone)
		}
	}
	return code, err
}

// launch starts the first process of a container.
func (a *app) launch(container *runc.Bundle, p *specs.Process, o createOptions, notify *runc.Notify) (int, error) {
	if notify != nil {
		if err := notify.MakeDirectory(); err != nil {
			return 0, err
		}
		if !o.wait {
			if err := notify.Listen(); err != nil {
				return 0, err
			}
		}
	}
	if !o.noSubreaper {
		if err := runc.Adopt(); err != nil {
			logrus.Warn(err)
		}
	}
	r := &run{app: a, container: container, options: o.streamOptions, notify: notify}
	r.with.Init, r.with.Listen = true, runc.Activated()
	return r.do(p)
}
