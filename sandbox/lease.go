// Package sandbox runs a plan: start, wait, signal, and the removal of
// everything that was taken, whatever happened in between.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/network"
	"github.com/safe-run/safe-run/sandbox/rootfs"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/slim"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// WardenName is argv[0] of a warden; initproc.WardenName is the same, but
// only mains may import that package.
const WardenName = "safe-run-warden"

// Lease is an identity taken for one sandbox: id, name and id range, watched
// by a warden that gives them back if this process is killed.
type Lease struct {
	spec.Instance
	Slot   int
	store  *state.Store
	record state.Record
	warden *exec.Cmd
	alive  int // the warden's standard input is the other end
	rest   network.Rest
	orders []byte // what the warden is to remove; see Cmd.leave
	ids    *rootfs.IDs
	thread *rootfs.Thread // in a mount namespace of its own
}

// Readiness is what every launch needs whatever it runs: the state directory,
// a warden, and a thread in a mount namespace of its own. It is begun before
// the command line is read, and costs a launch little, because it goes on
// beside.
type Readiness struct {
	root  string
	done  chan struct{} // nil before it is begun
	lease *Lease        // without an identity yet; nil once taken
	err   error
}

// Begin begins to get ready below root. Either Take or Cancel must follow.
func Begin(root string) *Readiness { return BeginAs(root, state.NewID()) }

// BeginAs is Begin for a sandbox that has an id already.
func BeginAs(root, id string) *Readiness {
	r := &Readiness{root: root}
	r.begin(id)
	return r
}

// BeginLater is Begin for a process that may not run anything: Take begins.
func BeginLater(root string) *Readiness { return &Readiness{root: root} }

func (r *Readiness) begin(id string) {
	slim.Hurry()
	runc.PrimeLaunch()
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		store, err := state.Open(r.root)
		if err != nil {
			r.err = err
			return
		}
		// The warden comes before anything that it would have to remove.
		l := &Lease{Instance: spec.Instance{ID: id}, store: store}
		if r.err = l.startWarden(); r.err != nil {
			return
		}
		if l.thread, r.err = rootfs.NewThread(); r.err != nil {
			r.err = errors.Join(r.err, l.dismissWarden())
			return
		}
		r.lease = l
	}()
}

// Take reserves an identity. An empty name gets the id's first twelve digits.
func (r *Readiness) Take(name string, ids spec.IDRange) (*Lease, error) {
	if r.done == nil {
		r.begin(state.NewID())
	}
	<-r.done
	if r.err != nil {
		return nil, r.err
	}
	l := r.lease
	r.lease = nil
	var err error
	l.record, err = l.store.Take(l.ID, name, int(ids.Count/spec.IDsPerContainer))
	if err != nil {
		l.thread.Close()
		return nil, errors.Join(err, l.dismissWarden())
	}
	l.Name, l.Slot = l.record.Name, l.record.Slot
	l.record.Warden = l.warden.Process.Pid // which note writes down
	l.IDs = spec.IDRange{
		First: ids.First + uint32(l.Slot)*spec.IDsPerContainer,
		Count: spec.IDsPerContainer,
	}
	l.ids = rootfs.StartIDs(l.IDs)
	return l, nil
}

// Cancel ends what has not been taken; after Take, or again, it does nothing.
func (r *Readiness) Cancel() {
	if r.done == nil {
		return
	}
	<-r.done
	if r.lease != nil {
		r.lease.thread.Close()
		_ = r.lease.dismissWarden() // it has nothing to collect
		r.lease = nil
	}
}

// startWarden starts the process that cleans up when this one is killed. It
// has a session of its own, so that what a terminal or a shell sends to this
// process's group does not reach it.
func (l *Lease) startWarden() error {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	r := os.NewFile(uintptr(ends[1]), "warden")
	defer r.Close()
	l.warden = &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{WardenName, l.store.Root, l.ID},
		Env:         ledgerEnvironment(),
		Dir:         "/",
		Stdin:       r,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := l.warden.Start(); err != nil {
		unix.Close(ends[0])
		return fmt.Errorf("start the warden: %w", err)
	}
	l.alive = ends[0]
	return nil
}

// note writes down what a collector needs before it comes into being.
func (l *Lease) note(plan *spec.Plan, driver string, ports []spec.Port) error {
	l.record.CgroupsPath, l.record.CgroupDriver = plan.OCI.Linux.CgroupsPath, driver
	l.record.Image, l.record.Profile = plan.Image.Reference, plan.Profile
	l.record.Command = commandOf(plan)
	for _, p := range ports {
		l.record.Ports = append(l.record.Ports, PortText(p))
	}
	l.record.Volumes = recordVolumes(plan)
	l.record.StopSignal, l.record.StopTimeout = plan.Lifecycle.StopSignal, plan.Lifecycle.StopTimeout
	return l.store.Update(l.ID, func(rec *state.Record) {
		l.record.Name = rec.Name // it may have been renamed
		*rec = l.record
	})
}

// maxCommand bounds the command that a record has.
const maxCommand = 256

// commandOf is the beginning of a plan's command line, in whole characters.
func commandOf(plan *spec.Plan) string {
	if plan.Lifecycle.Prepared {
		return "(prepared)" // until it is told
	}
	return clipCommand(Program(plan))
}

func clipCommand(args []string) string {
	text := strings.ToValidUTF8(CommandText(args), "\ufffd")
	if len(text) > maxCommand {
		text = strings.ToValidUTF8(text[:maxCommand], "")
	}
	return text
}

// CommandText is a command line for people, as docker has it: an argument with
// spaces is in quotes.
func CommandText(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		if words[i] = arg; i > 0 && strings.Contains(arg, " ") {
			words[i] = "'" + arg + "'"
		}
	}
	return strings.Join(words, " ")
}

// Program is the command line of a plan's program, without the first process
// that may have been put before it.
func Program(plan *spec.Plan) []string {
	args := plan.OCI.Process.Args
	if plan.Lifecycle.Prepared && len(args) > 1 && args[0] == spec.PreparedPath {
		args = args[1:]
	}
	if plan.Lifecycle.Init && len(args) > 1 && args[0] == spec.InitPath {
		args = args[1:]
	}
	return args
}

// Close gives the identity back and dismisses the warden.
func (l *Lease) Close() error {
	l.thread.Close()
	return errors.Join(l.ids.Close(), l.store.Release(l.record), l.dismissWarden())
}

// What the warden is told when it has nothing to collect; see early.c.
const (
	wardenDismissed = 1
	wardenSettles   = 2
	wardenTidies    = 3

	wardenTidiesAndSettles = 4
)

// dismissWarden tells the warden that there is nothing to collect. What the
// network has left to others goes with that: the warden closes the files by not
// taking them, looks after what sandboxes share when they have fallen idle, and
// nobody waits for it.
func (l *Lease) dismissWarden() error {
	apart := len(l.rest.Files) > 0
	err := l.say()
	l.letGo()
	if err == nil && apart {
		go l.warden.Wait() //nolint:errcheck // only so that it does not stay as a zombie
		return nil
	}
	return errors.Join(err, l.warden.Wait())
}

// letGo closes what connects this process with the warden.
func (l *Lease) letGo() {
	unix.Close(l.alive)
	for _, fd := range l.rest.Files {
		unix.Close(fd)
	}
	l.rest.Files = nil
}

// abandon leaves the rest to the warden, as if this process had been killed:
// the identity is given back once nothing of the sandbox is left, and stays on
// record otherwise, so that nobody else gets its ids before. reason is what
// could not be removed here; it is returned when the warden failed, too.
func (l *Lease) abandon(reason error) error {
	err := l.ids.Close()
	l.letGo()
	if werr := l.warden.Wait(); werr != nil {
		return problem.New("run `safe-run gc` when the cause is gone", "%s is not removed: %w", l.Name, errors.Join(reason, err))
	}
	return err
}

// Collect removes what a sandbox left whose launcher is gone. It is
// idempotent and may run beside other collectors.
func Collect(root, id string) error {
	store := &state.Store{Root: root}
	rec, err := store.Load(id)
	told := false
	if err != nil {
		rec, err = store.Ended(id)
		told = err == nil
	}
	if err != nil {
		// Without a record nothing was made yet but claims and a directory.
		rec = state.Record{ID: id, Slot: -1}
	}
	err = errors.Join(
		runc.Remove(rec.CgroupsPath, rec.CgroupDriver == "systemd"),
		network.Remove(root, id),
	)
	if err != nil {
		// What could not be removed stays on record for the next attempt.
		if told {
			err = errors.Join(err, store.Reopen(id))
		}
		return fmt.Errorf("sandbox %s: %w", rec.Name, err)
	}
	if !told {
		tellLast(store, rec)
	}
	return errors.Join(collectVolumes(root, rec), store.Release(rec), store.ReleaseClaims())
}

// SettleNetwork removes the network that sandboxes share, if none is left.
func SettleNetwork(root string) error { return network.Settle(root) }

// Collected names one sandbox that CollectAll removed.
type Collected struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// CollectAll removes what every sandbox left whose launcher is gone.
func CollectAll(root string) ([]Collected, error) {
	store := &state.Store{Root: root}
	ids, err := store.List()
	if err != nil {
		return nil, err
	}
	var out []Collected
	var errs []error
	for _, id := range ids {
		if store.Live(id) || !store.Known(id) { // or not any more
			continue
		}
		rec, err := store.Load(id)
		if err != nil {
			var left bool
			if rec, left = store.Left(id); !left {
				rec.Name = id[:12] // its name was not yet written down
			}
		}
		if err := Collect(root, id); err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, Collected{ID: id, Name: rec.Name})
	}
	// What is left is asked for again under the network's lock: a sandbox may
	// have come since, and one that could not be collected keeps its record.
	errs = append(errs, network.Sweep(root, store.Known), mendNames(store), store.ReleaseClaims())
	return out, errors.Join(errs...)
}
