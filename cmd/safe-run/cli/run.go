package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/guard"
	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// run is the main job: policy, image and host become a plan, the plan becomes
// a sandbox, and the sandbox's exit becomes ours.
func run(ctx context.Context, std IO, o runOptions, ready *sandbox.Readiness) (err error) {
	if std.Order != nil {
		return supervise(ctx, std, o, ready)
	}
	if err := errors.Join(o.checkUnwatched(), nameFree(o.Name)); err != nil {
		return launcherError(err)
	}
	if wantsFront(std, o) && len(std.served.Sockets) == 0 {
		ready.Cancel() // the owner gets ready by itself
		return front(std, o)
	}
	ctx, signals := catchSignals(ctx, o.SigProxy)
	defer signals.stop()
	if err := o.serve(std.served); err != nil {
		return launcherError(err)
	}

	p, err := prepare(ctx, std, o, taker(ready))
	if err != nil {
		return signals.instead(err)
	}
	defer func() { err = errors.Join(err, launcherError(p.close())) }()

	cmd, tale := p.command(std, o), newTale(p, o)
	defer func() {
		err = errors.Join(err, launcherError(cmd.Close()))
		tale.end(cmd.Exit)
	}()
	if err := nameFree(o.Name); err != nil { // one may have got it since
		return launcherError(err)
	}
	cmd.Begun, signals.told = tale.begin, tale.signalled
	if err := cmd.Start(ctx); err != nil {
		return signals.instead(explainExec(p.plan, err))
	}
	if err := writeCID(o.CIDFile, p.lease.ID); err != nil {
		return errors.Join(launcherError(err), kill(cmd))
	}
	std.served.sockets.Close() // they are the container's now
	if o.notifier != nil && cmd.Executed() {
		signals.notify(o.notifier, p.plan.Lifecycle.StopSignal)
		o.notifier.executed(p.lease.Name)
	}
	if std.Front != nil {
		return runOwner(std, cmd, signals)
	}
	return attend(std, o, cmd, signals)
}

// attend stays with a running sandbox until it ends.
func attend(std IO, o runOptions, cmd *sandbox.Cmd, signals *signals) error {
	session, err := attachTerminal(std, cmd.Terminal(), o, nil)
	if err != nil {
		return errors.Join(launcherError(err), kill(cmd))
	}
	signals.forward(cmd)
	exit, err := cmd.Wait()
	session.finish()
	if err != nil {
		return launcherError(explainExec(cmd.Plan, err))
	}
	return tell(std, o, exit)
}

// prepared is a plan and what it was made from.
type prepared struct {
	plan  *spec.Plan
	host  spec.Host
	image *image.Image
	lease *sandbox.Lease // nil when nothing will run
}

// identify says who the sandbox will be.
type identify func(ids spec.IDRange, name string) (spec.Instance, *sandbox.Lease, error)

// taker takes an identity on this host.
func taker(ready *sandbox.Readiness) identify {
	return func(ids spec.IDRange, name string) (spec.Instance, *sandbox.Lease, error) {
		lease, err := ready.Take(name, ids)
		if err != nil {
			return spec.Instance{}, nil, err
		}
		return lease.Instance, lease, nil
	}
}

// example is the identity for plans that are only looked at.
func example(ids spec.IDRange, name string) (spec.Instance, *sandbox.Lease, error) {
	id := fmt.Sprintf("%064x", 0)
	if name == "" {
		name = id[:12]
	}
	return spec.Instance{ID: id, Name: name, IDs: spec.IDRange{First: ids.First, Count: spec.IDsPerContainer}}, nil, nil
}

// unopened is the error of an image that could not be opened, with the policy
// that it was to satisfy.
type unopened struct {
	error
	policy profiles.Profile
}

func (u *unopened) Unwrap() error { return u.error }

// prepare makes the plan that o asks for. The caller closes what it gets. Who
// the sandbox will be and what the host can do is settled while the policy and
// the image are read.
func prepare(ctx context.Context, std IO, o runOptions, who identify) (p *prepared, err error) {
	p = new(prepared)
	in := spec.Input{Request: o.Request}
	var known sync.WaitGroup
	var noIdentity error
	known.Go(func() { in.Instance, p.lease, noIdentity = who(probe.IDs(), o.Name) })
	known.Go(func() { p.host = probe.Host(); p.host.Guard = guard.On() })
	in.Profile, err = resolvePolicy(o)
	if err == nil {
		trust := spec.TrustOf(in.Profile)
		p.image, err = image.Open(ctx, o.Image, image.Options{Trust: trust, Pull: o.Pull, Stderr: std.Err})
		if err != nil {
			err = &unopened{err, in.Profile}
		}
	}
	if known.Wait(); err == nil {
		err = noIdentity
	}
	if err == nil {
		in.Host, in.Image = p.host, p.image.Spec
		p.plan, err = spec.Compile(in)
	}
	if err == nil {
		err = o.notifier.possible(p.plan)
	}
	if err == nil && o.Edit != nil {
		err = o.Edit(p)
	}
	if err != nil {
		return nil, errors.Join(err, p.close(), p.giveBack())
	}
	return p, nil
}

// close lets go of the image.
func (p *prepared) close() error {
	if p.image == nil {
		return nil
	}
	return p.image.Close()
}

// giveBack returns a lease that no sandbox has taken over.
func (p *prepared) giveBack() error {
	if p.lease == nil {
		return nil
	}
	return p.lease.Close()
}

// command is the sandbox of a prepared plan.
func (p *prepared) command(std IO, o runOptions) *sandbox.Cmd {
	cmd := &sandbox.Cmd{Plan: p.plan, Lease: p.lease, Driver: p.host.Cgroup.Driver, Stdout: std.Out, Stderr: std.Err}
	cmd.Sockets, cmd.Notify = o.sockets, o.notifier.pass
	cmd.Hasty = std.Order == nil && !endsWithUs()
	if o.Stdin {
		cmd.Stdin = std.In
	}
	cmd.OnFreeze = func(d event.Denial) { tellFrozen(std, cmd.Lease.Name, d) }
	if o.Explain {
		cmd.Kernel, cmd.OnDenial = true, func(d event.Denial) { tellDenial(std, o, d) }
	}
	return cmd
}

// endsWithUs says whether somebody kills what this process leaves behind: a service
// manager does when the service's main process has ended (systemd.kill(5)), and the
// kernel when the first process of a pid namespace has.
func endsWithUs() bool {
	return os.Getenv("INVOCATION_ID") != "" || os.Getenv("NOTIFY_SOCKET") != "" || os.Getpid() == 1
}

// kill ends a sandbox that cannot go on.
func kill(cmd *sandbox.Cmd) error {
	_ = cmd.Signal(sigKill)
	_, err := cmd.Wait()
	return err
}

// launcherError gives an error docker's exit code: 126 for a program that
// cannot be run, 127 for one that is not there, 125 for everything else.
func launcherError(err error) error {
	if err == nil {
		return nil
	}
	var exec *runc.ExecError
	switch {
	case !errors.As(err, &exec):
		return &exitError{Code: exitLauncher, Err: err}
	case exec.NotFound:
		hint := "name a program that the image has, after IMAGE or with --entrypoint; a script's #! line and a dynamic program's loader must be in it too"
		return &exitError{Code: 127, Err: problem.New(hint, "%w", err)}
	}
	hint := problem.HintOf(err)
	if hint == "" {
		hint = "it must be a file with the executable bit, built for this machine, or a script that begins with #!"
	}
	return &exitError{Code: 126, Err: problem.New(hint, "%w", err)}
}

// tell prints why a program was killed, which its exit code does not say, and
// turns the exit into ours.
func tell(std IO, o runOptions, exit sandbox.Exit) error {
	if !o.Quiet {
		tellWhy(std, o, exit)
	}
	if exit.OutputLost != nil {
		return lostOutput(exit)
	}
	if exit.Code == 0 {
		return nil
	}
	return &exitError{Code: exit.Code}
}

// tellWhy prints how a container ended, as far as its exit code does not say
// it, and what it was refused.
func tellWhy(std IO, o runOptions, exit sandbox.Exit) {
	line, hint := exit.Explain()
	denied, minor := worthTelling(exit)
	if o.Format == formatJSON {
		if o.Explain {
			denied = exit.Denials
		}
		if line != "" || len(denied) > 0 || o.Explain && !exit.Traced {
			writeEnded(std.Err, ended{exit, line, hint})
		}
		return
	}
	if line != "" {
		report(std.Err, paletteFor(std.Err), problem.New(hint, "%s", line))
	}
	if o.Explain && !exit.Traced {
		report(std.Err, paletteFor(std.Err), problem.New("what it could not do shows in its own errors",
			"nobody counted what was refused: the kernel is older than 5.9, safe-run itself runs below a system call filter, or the profile has none"))
	}
	if exit.Untraced != nil {
		report(std.Err, paletteFor(std.Err), problem.New("what the filter refuses is told all the same", "what the kernel itself refuses is not counted: %w", exit.Untraced))
	}
	if o.Explain { // each was told when it happened, and those that came again were not
		denied, minor = slices.DeleteFunc(exit.Denials, func(d event.Denial) bool { return d.Count == 1 }), nil
	}
	tellDenials(std.Err, denied, minor)
}

// writeEnded writes one line of JSON; names in it are the container's to choose.
func writeEnded(w io.Writer, end ended) {
	if line, err := json.Marshal(end); err == nil {
		_, _ = w.Write(append(escapeJSON(line), '\n'))
	}
}

// lostOutput fails a run whose output is not all there: a backup that was
// written to a full disk must not look like one.
func lostOutput(exit sandbox.Exit) error {
	code := exit.Code
	if code == 0 {
		code = exitLauncher
	}
	return &exitError{Code: code, Err: problem.New("its output is incomplete: make room, or write it elsewhere, and run it again",
		"what the container wrote could not be passed on: %w", exit.OutputLost)}
}

// ended is how a container ended, in JSON.
type ended struct {
	sandbox.Exit
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// writeCID writes the container's id to a file that must not exist yet.
func writeCID(path, id string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		_, err = io.WriteString(f, id)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return problem.New("name a new file in a directory that you may write to", "--cidfile: %w", err)
	}
	return nil
}
