package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// execOptions are the flags of exec.
type execOptions struct {
	streamOptions
	cwd, user, file, label, apparmor string
	env, caps, cgroups               []string
	gids                             []int64
	tty, noNewPrivs, ignorePaused    bool
	noNewPrivsGiven                  bool
}

func (o *execOptions) declare(f *flags) {
	o.streamOptions.declare(f)
	f.text(&o.cwd, "cwd", "", "current working directory in the container")
	f.list(&o.env, "env, e", "set environment variables")
	f.bool(&o.tty, "tty, t", "allocate a pseudo-TTY")
	f.text(&o.user, "user, u", "", "UID (format: <uid>[:<gid>])")
	f.numbers(&o.gids, "additional-gids, g", "additional gids")
	f.text(&o.file, "process, p", "", "path to the process.json")
	f.bool(&o.detach, "detach, d", "detach from the container's process")
	f.text(&o.label, "process-label", "", "set the asm process label for the process commonly used with selinux")
	f.text(&o.apparmor, "apparmor", "", "set the apparmor profile for the process")
	f.bool(&o.noNewPrivs, "no-new-privs", "set the no new privileges value for the process")
	f.list(&o.caps, "cap, c", "add a capability to the bounding set for the process")
	f.list(&o.cgroups, "cgroup", "run the process in an (existing) sub-cgroup(s). Format is [<controller>:]<cgroup>")
	f.bool(&o.ignorePaused, "ignore-paused", "allow exec in a paused container")
}

func (a *app) execVerb() *verb {
	o := &execOptions{}
	var parsed *flags
	return &verb{
		name: "exec", usage: "execute new process inside the container", least: 1, most: -1, inOrder: true,
		args:    "<container-id> <command> [command options]  || -p process.json <container-id>",
		declare: func(f *flags) { parsed = f; o.declare(f) },
		run: func(args []string) (int, error) {
			o.noNewPrivsGiven = parsed.given("no-new-privs")
			code, err := a.exec(args, *o)
			if err != nil {
				return code, failure{exitExecFailed, failed("exec", err)}
			}
			return code, nil
		},
	}
}

// exec runs another process in a container.
func (a *app) exec(args []string, o execOptions) (int, error) {
	if o.pidFile != "" {
		var err error
		if o.pidFile, err = filepath.Abs(o.pidFile); err != nil {
			return 0, err
		}
	}
	container, err := a.load(args)
	if err != nil {
		return 0, err
	}
	status, err := container.Status()
	switch {
	case err != nil:
		return 0, err
	case status == runc.Stopped:
		return 0, errors.New("cannot exec in a stopped container")
	case status == runc.Paused && !o.ignorePaused:
		return 0, errors.New("cannot exec in a paused container (use --ignore-paused to override)")
	}
	p, err := execProcess(container, args[1:], o)
	if err != nil {
		return 0, err
	}
	if p, err = meetExec(container, p); err != nil {
		return 0, err
	}
	groups, err := subCgroups(o.cgroups)
	if err != nil {
		return 0, err
	}
	r := &run{app: a, container: container, options: o.streamOptions}
	r.with.Cgroups = groups
	return r.do(p)
}

// execProcess is the process of a document, or that of the bundle with what the
// flags change.
func execProcess(container *runc.Bundle, args []string, o execOptions) (*specs.Process, error) {
	if o.file != "" {
		f, err := os.Open(o.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		p := &specs.Process{}
		if err := decode(f, o.file, p); err != nil {
			return nil, err
		}
		return p, checkProcess(p)
	}
	dir, known := container.Directory()
	if !known {
		return nil, errors.New("bundle not found in labels")
	}
	oci, err := openBundle(dir)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, errors.New("exec args cannot be empty")
	}
	p := oci.Process
	p.Args = args
	return p, o.change(p)
}

// change lays the flags over the bundle's process.
func (o *execOptions) change(p *specs.Process) error {
	for _, text := range []struct {
		to    *string
		value string
	}{{&p.Cwd, o.cwd}, {&p.ApparmorProfile, o.apparmor}, {&p.SelinuxLabel, o.label}} {
		if text.value != "" {
			*text.to = text.value
		}
	}
	if len(o.caps) > 0 {
		addCapabilities(p, o.caps)
	}
	p.Env = append(p.Env, o.env...)
	p.Terminal = o.tty
	if o.noNewPrivsGiven {
		p.NoNewPrivileges = o.noNewPrivs
	}
	if o.user != "" {
		if err := setUser(&p.User, o.user); err != nil {
			return err
		}
	}
	for _, gid := range o.gids {
		if gid < 0 {
			return fmt.Errorf("additional-gids must be a positive number %d", gid)
		}
		p.User.AdditionalGids = append(p.User.AdditionalGids, uint32(gid))
	}
	return checkProcess(p)
}

// addCapabilities adds to the sets that a program starts with. Ambient ones
// need to be inheritable, which these are only where the bundle has some.
func addCapabilities(p *specs.Process, caps []string) {
	if p.Capabilities == nil {
		p.Capabilities = &specs.LinuxCapabilities{}
	}
	c := p.Capabilities
	c.Bounding = slices.Concat(c.Bounding, caps)
	c.Effective = slices.Concat(c.Effective, caps)
	c.Permitted = slices.Concat(c.Permitted, caps)
	if c.Inheritable != nil {
		c.Ambient = slices.Concat(c.Ambient, caps)
	}
}

func setUser(to *specs.User, text string) error {
	uids, gids, hasGroup := strings.Cut(text, ":")
	if hasGroup {
		gid, err := strconv.ParseUint(gids, 10, 32)
		if err != nil {
			return fmt.Errorf("bad gid: %w", err)
		}
		to.GID = uint32(gid)
	}
	uid, err := strconv.ParseUint(uids, 10, 32)
	if err != nil {
		return fmt.Errorf("bad uid: %w", err)
	}
	to.UID = uint32(uid)
	return nil
}

// subCgroups reads --cgroup: one path for cgroup version 2, or
// controller[,controller]:path for version 1.
func subCgroups(args []string) (map[string]string, error) {
	if len(args) == 0 {
		return nil, nil
	}
	paths := map[string]string{}
	for _, arg := range args {
		controllers, path, has := strings.Cut(arg, ":")
		if !has {
			if len(args) != 1 {
				return nil, fmt.Errorf("invalid --cgroup argument: %s (missing <controller>: prefix)", arg)
			}
			return map[string]string{"": arg}, nil
		}
		for controller := range strings.SplitSeq(controllers, ",") {
			if controller == "" {
				return nil, fmt.Errorf("invalid --cgroup argument: %s (empty <controller> prefix)", arg)
			}
			if _, twice := paths[controller]; twice {
				return nil, fmt.Errorf("invalid --cgroup argument(s): controller %s specified multiple times", controller)
			}
			paths[controller] = path
		}
	}
	return paths, nil
}
