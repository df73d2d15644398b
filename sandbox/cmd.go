package sandbox

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/guard"
	"github.com/safe-run/safe-run/sandbox/network"
	"github.com/safe-run/safe-run/sandbox/rootfs"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/service"
	"github.com/safe-run/safe-run/sandbox/slim"
	"github.com/safe-run/safe-run/sandbox/volume"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
)

// Cmd is a plan about to run, in the shape of exec.Cmd: fill in the exported
// fields, then Start, Wait and Close. A Cmd runs once.
type Cmd struct {
	Plan  *spec.Plan
	Lease *Lease
	// Driver is the host's cgroup driver: "systemd" or "cgroupfs".
	Driver string

	// Stdin, Stdout and Stderr are copied to and from the first process; nil
	// is /dev/null. They are not used with a terminal.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// OnDenial is told of each kind of denial the first time it happens, from a
	// goroutine of its own. It may be nil.
	OnDenial func(event.Denial)
	// OnFreeze is told when the container was paused for a denial.
	OnFreeze func(event.Denial)
	// Kernel asks also for what the kernel itself refuses. While the sandbox
	// runs, that slows down each system call on this host by some 100 ns.
	Kernel bool
	// Sockets are the program's descriptors from 3 on, as many as the plan has.
	// The caller closes them.
	Sockets []*os.File
	// Notify gets what the program says to the service manager, when the plan
	// lets it; see service.Inside.
	Notify func(lines []string)

	// Pool is the name of what keeps it prepared, when its plan is that of a
	// prepared sandbox: Tell gives it its program after Start, and its standard
	// streams are those of Streams.
	Pool string

	// Hasty lets Close return before the last of the sandbox is removed, by its
	// warden, when nobody can use that any more.
	Hasty bool

	// Begun is called once the program has been executed, beside it, and has
	// returned when Close does. It is not called for one that ended at once.
	Begun func()
	// Exit is how it ended, after Wait; nil when it did not run.
	Exit *Exit

	// Ports are the published ports with those that were chosen, after Start.
	Ports []spec.Port

	container *runc.Container
	ports     *network.Reservation
	link      *network.Attachment
	guarded   *guard.Held
	held      []*volume.Hold // of the plan's volumes, in their order
	released  bool           // the first process was let go
	io        *stdio
	order     *order    // nil unless it is prepared
	denials   *denials  // nil where nobody counts them
	watching  *watching // nil where nobody wants to know at once
	terminal  *os.File
	groups    *groups
	spaces    []int                          // namespaces that are held for the warden
	reacts    atomic.Pointer[runc.Container] // set before the program begins
	violation atomic.Pointer[event.Denial]   // why the container was killed
	inside    *service.Inside
	noting    sync.WaitGroup
	ended     chan struct{} // closed once the first process has ended; nil before Start
	ending    sync.Once
	asked     atomic.Int32 // the last signal sent
	killed    atomic.Bool  // it was turned into SIGKILL
	starved   atomic.Bool  // killed on the first out-of-memory event
}

// Start makes the sandbox and runs its first process. When it fails nothing is
// left; Close must be called all the same, to give the lease back.
func (c *Cmd) Start(ctx context.Context) error {
	c.ended = make(chan struct{})
	steps := []func(context.Context) error{
		c.reserve, c.holdVolumes, c.create, c.attach, c.release,
	}
	for _, step := range steps {
		err := ctx.Err()
		if err == nil {
			err = step(ctx)
		}
		if err != nil {
			c.abort()
			return err
		}
	}
	slim.Leisure()
	c.noting.Go(c.noteExecuted)
	c.noting.Go(c.keepPlanLater)
	return nil
}

// reserve takes the host ports before anything exists that would have to be
// undone, and writes down what is about to.
func (c *Cmd) reserve(context.Context) error {
	err := network.Check(c.Plan.Network)
	if err != nil {
		return err
	}
	if c.ports, err = network.Reserve(c.Plan.Network.Publish); err != nil {
		return err
	}
	c.Ports = c.ports.Ports()
	c.Lease.record.Pool = c.Pool
	if err := c.Lease.note(c.Plan, c.Driver, c.Ports); err != nil {
		return err
	}
	c.startGroups()
	return nil
}

// create assembles the root and creates the container on the thread.
func (c *Cmd) create(context.Context) error {
	runc.Warm()
	root := c.assembling()
	defer root() // whatever fails meanwhile, nobody is at it any more
	oci, err := c.listen(c.Plan.OCI)
	if err != nil {
		return err
	}
	cfg := runc.Config{
		ID:      c.Lease.ID,
		State:   c.Lease.store.RuntimeDir(c.Lease.ID),
		OCI:     oci,
		Systemd: c.Driver == "systemd",
		Files:   c.Sockets,
		Sysctls: c.Plan.Namespaced,

		Landlock: c.Plan.Landlock,
	}
	if err := c.connectService(&cfg); err != nil {
		return err
	}
	var console *os.File
	if c.Plan.OCI.Process.Terminal {
		parent, child, err := consolePair()
		if err != nil {
			return err
		}
		defer parent.Close()
		defer child.Close()
		console, cfg.Console = parent, child
	} else {
		if err := c.connect(&cfg); err != nil {
			return err
		}
		cfg.Stdin, cfg.Stdout, cfg.Stderr = c.io.child[0], c.io.child[1], c.io.child[2]
	}
	if cfg.Rootfs, err = root(); err != nil {
		return err
	}
	err = c.Lease.thread.Do(func() (err error) {
		dir := c.Lease.store.RootfsDir(c.Lease.ID)
		if ownUsers(cfg.OCI) {
			if cfg.OCI, err = rootfs.MountAhead(cfg.OCI, cfg.Rootfs, dir, c.Lease.IDs); err != nil {
				return err
			}
			if err := c.groupsAhead(&cfg, dir); err != nil {
				return err
			}
		}
		c.holdMounts()
		c.container, err = runc.Create(cfg)
		return err
	})
	if err == nil {
		// An empty directory of the same name, where there is no such mount: who
		// joins the container later starts in it, for an instant
		// (libcontainer's newParentProcess).
		err = os.MkdirAll(cfg.Rootfs, 0o711)
	}
	if err == nil && console != nil {
		c.terminal, err = ReceiveFile(console)
	}
	return err
}

// assembling begins to put the root together on the thread, beside what else is
// made, and gives what waits for it.
func (c *Cmd) assembling() (root func() (path string, err error)) {
	var path string
	done := make(chan error, 1)
	go func() {
		done <- c.Lease.thread.Do(func() (err error) {
			path, err = rootfs.Assemble(c.Plan.Rootfs, c.Lease.store.RootfsDir(c.Lease.ID), c.Lease.ids)
			return err
		})
	}()
	return sync.OnceValues(func() (string, error) {
		err := <-done
		return path, err
	})
}

// connect makes the standard streams, and the way to tell a program.
func (c *Cmd) connect(cfg *runc.Config) (err error) {
	uid, gid := c.hostUser()
	if !c.Plan.Lifecycle.Prepared {
		c.io, err = newStdio(c, uid, gid)
		return err
	}
	if c.order, err = newOrder(); err != nil {
		return err
	}
	cfg.Files = []*os.File{c.order.child}
	c.io, err = rawStdio(uid, gid)
	return err
}

// hostUser is the first process's user as the host numbers it.
func (c *Cmd) hostUser() (uid, gid int) {
	user := c.Plan.OCI.Process.User
	if ownUsers(c.Plan.OCI) {
		return int(c.Lease.IDs.First + user.UID), int(c.Lease.IDs.First + user.GID)
	}
	return int(user.UID), int(user.GID)
}

// ownUsers says whether a container has a user namespace of its own.
func ownUsers(oci *specs.Spec) bool {
	return slices.ContainsFunc(oci.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.UserNamespace })
}

// attach connects the network while the first process still waits.
func (c *Cmd) attach(ctx context.Context) (err error) {
	if c.Plan.Network.Mode == spec.NetworkNone {
		return nil // libcontainer brings the loopback interface up
	}
	plan := c.Plan.Network
	plan.Publish = c.Ports
	c.link, err = network.Attach(ctx, network.Config{
		ID: c.Lease.ID, Slot: c.Lease.Slot, Network: plan, State: c.Lease.store.Root,
	}, c.container.Pid())
	return err
}

// release lets the first process run its program.
func (c *Cmd) release(context.Context) error {
	if c.Plan.Limits.OOMGroup {
		if err := c.watchOOM(); err != nil {
			return err
		}
	}
	c.watchKernel()
	c.watchCounted()
	c.reacts.Store(c.container)
	refused := c.Plan.Guard
	if refused == nil && guard.On() {
		refused = c.Plan.GuardNow()
	}
	held, err := guard.Enter(c.container.Pid(), refused)
	if err != nil {
		return err
	}
	c.guarded = held
	c.holdNamespaces()
	if err := c.container.Start(); err != nil {
		return err
	}
	c.released = true
	if c.io != nil {
		c.io.started()
	}
	if c.order != nil {
		c.order.child.Close()
		c.order.hold(c.container.Pid())
	}
	return nil
}

// watchOOM kills the whole container on the first out-of-memory kill. cgroup
// version 2 does that by itself (memory.oom.group); version 1 cannot.
func (c *Cmd) watchOOM() error {
	oom, err := c.container.OOM()
	if err != nil {
		return err
	}
	go func() {
		for range oom {
			c.starved.Store(true) // the kernel may not come to count its own kill
			_ = c.container.Signal(unix.SIGKILL)
		}
	}()
	return nil
}

// abort undoes a start that failed half way.
func (c *Cmd) abort() {
	if c.container != nil {
		_ = c.container.Signal(unix.SIGKILL)
		_, _ = c.container.Wait()
	}
	if c.io != nil {
		c.io.close()
	}
}

// Wait waits for the first process to end and says how it ended. It returns an
// *runc.ExecError when the program could not be run at all.
func (c *Cmd) Wait() (Exit, error) {
	status, err := c.container.Wait()
	c.ending.Do(func() { close(c.ended) })
	if err != nil && !status.Exited() && !status.Signaled() {
		return Exit{}, err
	}
	var failed *runc.ExecError
	if !c.container.Executed() && status.ExitStatus() == execCode {
		failed = &runc.ExecError{Program: c.Plan.OCI.Process.Args[0], Reason: "the kernel refused it"}
	}
	if c.io != nil {
		failed = c.io.drain(failed)
	}
	if failed != nil {
		return Exit{}, failed
	}
	usage := c.container.Usage()
	if c.starved.Load() {
		usage.OOMKills = max(usage.OOMKills, 1)
	}
	exit := newExit(status, usage, c.Plan.Limits)
	exit.attribute(syscall.Signal(c.asked.Load()), c.killed.Load())
	exit.Denials, exit.Traced = c.Denials()
	last, err := c.lastCounted(usage)
	exit.Untraced = errors.Join(c.untraced(), err)
	exit.Denials = append(exit.Denials, last...)
	gravestFirst(exit.Denials)
	if v := c.violation.Load(); v != nil && exit.Signal == unix.SIGKILL {
		exit.Cause, exit.Violation = CauseViolation, v
	}
	if c.io != nil {
		exit.OutputLost = c.io.lostOutput()
	}
	c.Exit = &exit
	return exit, nil
}

// Terminal is the master of the container's terminal, when the plan has one.
func (c *Cmd) Terminal() *os.File { return c.terminal }

// Signal sends a signal to the first process; os.ErrProcessDone when it has
// ended.
//
// The kernel drops a signal for the first process of a pid namespace that has
// no handler for it (pid_namespaces(7)), so that a plain program could not be
// stopped by Ctrl-C. A signal that would end any other process kills it here,
// and the exit says so.
func (c *Cmd) Signal(sig syscall.Signal) error {
	c.asked.Store(int32(sig))
	if ends(sig) && c.container.Deaf(sig) {
		c.killed.Store(true)
		return c.container.Signal(unix.SIGKILL)
	}
	return c.container.Signal(sig)
}

// ends says whether sig is one that people and supervisors end programs with.
func ends(sig syscall.Signal) bool {
	return sig == unix.SIGTERM || sig == unix.SIGINT || sig == unix.SIGQUIT || sig == unix.SIGHUP
}

// Freeze stops every process; Thaw lets them go on.
func (c *Cmd) Freeze() error { return c.container.Freeze() }

// Thaw undoes Freeze.
func (c *Cmd) Thaw() error { return c.container.Thaw() }

// Close removes everything: mounts, network, cgroup, and at last state and id
// range. When something cannot be removed the ids stay taken, and the warden
// goes on.
func (c *Cmd) Close() error {
	var errs []error
	c.unwatch()
	if c.order != nil {
		c.order.close()
	}
	// First, because the kernel takes the mounts down on the side.
	c.Lease.thread.Close()
	if c.link != nil {
		rest, err := c.link.Leave()
		c.Lease.rest, errs = rest, append(errs, err)
	}
	if c.ports != nil {
		errs = append(errs, c.ports.Close())
	}
	if c.denials != nil {
		errs = append(errs, c.denials.close())
	}
	if c.terminal != nil {
		c.terminal.Close()
	}
	if c.inside != nil {
		c.inside.Close()
	}
	c.guarded.Leave()
	c.letGoVolumes()
	c.noting.Wait() // long over, unless the program was very short
	if errors.Join(errs...) == nil {
		if left, err := c.leave(); left {
			return err
		}
	}
	c.letGoNamespaces()
	if c.container != nil {
		errs = append(errs, c.container.Destroy())
	}
	errs = append(errs, c.removeGroups())
	if err := errors.Join(errs...); err != nil {
		return c.Lease.abandon(err)
	}
	return errors.Join(c.removeVolumes(), c.Lease.Close())
}
