// Package runc launches a plan through runc's libcontainer, in this process.
// It is the only importer of libcontainer, apart from the entry point of the
// container's init in sandbox/initproc.
package runc

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/cgroups"
	// Without this import libcontainer refuses every device rule.
	_ "github.com/opencontainers/cgroups/devices"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func init() {
	// libcontainer logs to standard error; what matters comes back as errors.
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
}

// Config is one container to create.
type Config struct {
	ID string
	// State is the directory for libcontainer's own state.
	State string
	// Rootfs is the assembled root, in the mount namespace of the calling thread.
	Rootfs string
	// OCI is the plan's spec; root.path is replaced by Rootfs.
	OCI *specs.Spec
	// Sysctls are written inside the container's namespaces, while the first
	// process waits.
	Sysctls map[string]string
	// Landlock is what its processes put themselves under, the first one and those
	// that join; nil: nothing.
	Landlock *spec.Landlock
	// Systemd selects the systemd cgroup driver.
	Systemd bool
	// Groups are those that MakeGroups made, when init is to be forked in them. The
	// calling thread goes into them and comes back.
	Groups []Group
	// Before is called on the same thread just before the container's init is
	// started; it may be nil.
	Before func() error
	// Stdin, Stdout and Stderr are the first process's own descriptors,
	// unless Console is set.
	Stdin, Stdout, Stderr *os.File
	// Files are its descriptors from 3 on.
	Files []*os.File
	// Console is a unix socket that receives the terminal's master.
	Console *os.File
}

// Container is a created container.
type Container struct {
	container *libcontainer.Container
	process   *libcontainer.Process
	cgroup    cgroups.Manager
	keeper    *keeper // nil where nobody takes the cgroup away
	pid       int
	executed  bool // once it has ended
}

// Create makes namespaces, mounts and cgroup, and leaves the first process
// waiting just before its program. It forks on the calling thread, whose mount
// namespace the container starts from, and returns an *ExecError when the
// program itself cannot be run.
func Create(cfg Config) (*Container, error) {
	config, err := convert(cfg)
	if err != nil {
		return nil, err
	}
	filter := briefing(config, FiltersDir) // beside what follows
	defer filter.close()
	proc := beginProcfs()
	defer proc.close()
	if err := killForeign(config.Seccomp); err != nil {
		return nil, err
	}
	process, err := newProcess(cfg)
	if err != nil {
		return nil, err
	}
	container, err := libcontainer.Create(cfg.State, cfg.ID, config)
	if err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	if process.PidfdSocket, err = filter.ready(); err != nil { // initproc takes it out of the way
		return nil, errors.Join(err, ignoreMissing(container.Destroy()))
	}
	if filter.brief != nil && os.WriteFile(filepath.Join(cfg.State, wholeFile), filter.whole, 0o600) == nil {
		config.Seccomp = filter.brief
	}
	if cfg.Before != nil {
		if err := cfg.Before(); err != nil {
			return nil, errors.Join(err, ignoreMissing(container.Destroy()))
		}
	}
	born := bear(container, cfg.OCI.Linux.CgroupsPath, cfg.Groups)
	cgroup, err := managerOf(container)
	if err != nil {
		return nil, errors.Join(err, born.leave(), ignoreMissing(container.Destroy()))
	}
	sysctls := &sysctls{of: process, values: cfg.Sysctls, proc: proc}
	born.early = sysctls.begin
	err = errors.Join(container.Start(process), born.leave())
	if err != nil {
		_ = sysctls.end(0) // of a process that is gone
		return nil, errors.Join(execError(err, cfg.OCI.Process.Args), ignoreMissing(container.Destroy()))
	}
	c := &Container{container: container, process: process, cgroup: cgroup}
	c.pid, err = process.Pid()
	if err = errors.Join(err, sysctls.end(c.pid)); err == nil && cfg.Systemd && cgroups.IsCgroup2UnifiedMode() {
		c.keeper, err = keep(cgroup.Path(""))
	}
	if err != nil {
		return nil, errors.Join(err, c.kill())
	}
	return c, nil
}

// kill ends a container that cannot go on and removes it.
func (c *Container) kill() error {
	_ = c.Signal(unix.SIGKILL)
	_, _ = c.Wait()
	return c.Destroy()
}

// convert translates the OCI spec for libcontainer.
func convert(cfg Config) (*configs.Config, error) {
	oci := *cfg.OCI
	oci.Root = &specs.Root{Path: cfg.Rootfs, Readonly: cfg.OCI.Root != nil && cfg.OCI.Root.Readonly}
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{
		CgroupName:       cfg.ID,
		UseSystemdCgroup: cfg.Systemd,
		Spec:             &oci,
	})
	if err != nil {
		return nil, fmt.Errorf("translate the spec: %w", err)
	}
	withoutTun(config.Cgroups.Resources)
	// Covers the first stages of init; initproc sets it again for the last,
	// because fork(2) clears it.
	config.ParentDeathSignal = int(unix.SIGKILL)
	if cfg.Systemd && cgroups.IsCgroup2UnifiedMode() {
		tellSwap(config.Cgroups.Resources)
	}
	leaveOut(config.Cgroups.Resources)
	if err := underLandlock(config, cfg.Landlock); err != nil {
		return nil, err
	}
	return config, nil
}

// leaveOut takes out what a new control group has already. The kernel goes through
// all control groups of the host for the period, and again for the quota
// (tg_set_bandwidth in kernel/sched/core.c).
func leaveOut(r *cgroups.Resources) {
	const period = 100_000 // microseconds, default_cfs_period in kernel/sched/fair.c
	if r.CpuPeriod == period && r.CpuQuota != 0 {
		r.CpuPeriod = 0
	}
}

// tellSwap makes systemd know that there is to be no swap. libcontainer tells
// it of other amounts, and writes 0 into the file itself; what systemd does not
// know it undoes with the next daemon-reload.
func tellSwap(r *cgroups.Resources) {
	if r.Memory <= 0 || r.MemorySwap != r.Memory {
		return
	}
	r.Unified = maps.Clone(r.Unified)
	if r.Unified == nil {
		r.Unified = map[string]string{}
	}
	r.Unified["memory.swap.max"] = "0"
}

// errorsOnly is for who libcontainer starts, in logrus's numbers. The stages in C
// say thirty things while they make a process, unless they are told not to, and
// each wakes the launcher up, which has no use for them.
const errorsOnly = "2"

// newProcess translates what the spec says of the first process. What
// libcontainer takes from the container's config (capabilities,
// no_new_privs) is not repeated here.
func newProcess(cfg Config) (*libcontainer.Process, error) {
	p := cfg.OCI.Process
	limits, err := convertRlimits(p.Rlimits)
	if err != nil {
		return nil, err
	}
	process := &libcontainer.Process{
		Args: p.Args,
		Env:  p.Env,
		Cwd:  p.Cwd,
		UID:  int(p.User.UID),
		GID:  int(p.User.GID),
		Init: true,

		LogLevel:   errorsOnly,
		Rlimits:    limits,
		ExtraFiles: cfg.Files,
	}
	for _, gid := range p.User.AdditionalGids {
		process.AdditionalGroups = append(process.AdditionalGroups, int(gid))
	}
	if cfg.Console != nil {
		process.ConsoleSocket = cfg.Console
		if p.ConsoleSize != nil {
			process.ConsoleWidth, process.ConsoleHeight = uint16(p.ConsoleSize.Width), uint16(p.ConsoleSize.Height)
		}
		return process, nil
	}
	process.Stdin, process.Stdout, process.Stderr = cfg.Stdin, cfg.Stdout, cfg.Stderr
	return process, nil
}

// Pid is the first process's id on the host.
func (c *Container) Pid() int { return c.pid }

// Start lets the first process run its program.
func (c *Container) Start() error { return c.container.Exec() }

// Wait waits for the first process; every other process of the container has
// then been killed by the kernel (pid_namespaces(7)).
func (c *Container) Wait() (syscall.WaitStatus, error) {
	c.executed = awaitEnd(c.pid)
	state, err := c.process.Wait()
	if state == nil {
		return 0, err
	}
	return state.Sys().(syscall.WaitStatus), nil
}

// Executed says, after Wait, whether the program was run at all. Nothing that
// the program does can change the answer.
func (c *Container) Executed() bool { return c.executed }

// Signal sends a signal to the first process.
func (c *Container) Signal(sig syscall.Signal) error {
	err := c.container.Signal(sig)
	if errors.Is(err, libcontainer.ErrNotRunning) || errors.Is(err, os.ErrProcessDone) {
		return os.ErrProcessDone
	}
	return err
}

// Unified is its control group in the unified hierarchy; empty where there is none.
func (c *Container) Unified() string { return c.cgroup.Path("") }

// Groups are its control groups, those of all hierarchies.
func (c *Container) Groups() []string {
	return slices.Compact(slices.Sorted(maps.Values(c.cgroup.GetPaths())))
}

// Freeze stops every process of the container; Thaw lets them go on.
func (c *Container) Freeze() error { return c.container.Pause() }

// Thaw undoes Freeze.
func (c *Container) Thaw() error { return c.container.Resume() }

// OOM gives a value for each time that the kernel ran out of the container's
// memory, and is closed when the cgroup goes away.
func (c *Container) OOM() (<-chan struct{}, error) { return c.container.NotifyOOM() }

// Destroy removes cgroup and libcontainer's state.
func (c *Container) Destroy() error {
	return errors.Join(c.container.Destroy(), c.keeper.end())
}

// ExecError says that the program cannot be run: not found, or not executable.
type ExecError struct {
	Program  string
	NotFound bool
	Reason   string
}

func (e *ExecError) Error() string { return fmt.Sprintf("cannot run %q: %s", e.Program, e.Reason) }

// execError finds the reason in libcontainer's error. It crosses a process
// boundary as text, so text is all there is.
func execError(err error, args []string) error {
	text := err.Error()
	at := strings.LastIndex(text, "exec: ")
	if at < 0 || len(args) == 0 {
		return problem.New(startHint(text), "start: %w", err)
	}
	reason := text[at+len("exec: "):]
	reason = strings.TrimPrefix(reason, fmt.Sprintf("%q: ", args[0]))
	e := &ExecError{Program: args[0], Reason: reason}
	e.NotFound = strings.Contains(reason, "not found") || strings.Contains(reason, "no such file")
	return e
}

// startHint is the next step after an error of init's. Most come from images:
// whatever lies where a filesystem is mounted is refused, link or file.
func startHint(text string) string {
	if strings.Contains(text, "error creating filter") {
		return "the kernel did not take the rules for Landlock: run with --accept landlock to go without"
	}
	if strings.Contains(text, "mount") {
		return "the image has a link or a file where a filesystem is mounted: make plain directories of them, above all of /proc, /sys, /dev, /run and /tmp"
	}
	return "`safe-run explain` shows what was to be set up; leave out what you added last"
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
