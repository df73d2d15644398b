package shim

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/errdefs"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// process is a process of a task: the first one, whose id is empty, or one that
// was started by exec.
type process struct {
	id    string
	stdio stdio
	asked *specs.Process // of an exec, until it is started

	mu      sync.Mutex
	status  tasktypes.Status
	started *runc.BundleProcess
	streams *streams
	code    uint32
	at      time.Time

	starting bool     // between begin and running or ended
	pending  []uint32 // signals that came meanwhile

	// exited is closed when the end of the process has been told.
	exited chan struct{}
}

func newProcess(id string, io stdio) *process {
	return &process{id: id, stdio: io, status: tasktypes.Status_CREATED, exited: make(chan struct{})}
}

// begin takes what an exec asks for, to start it; nil when that was done before.
func (p *process) begin() *specs.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked, p.starting = nil, p.starting || asked != nil
	return asked
}

// running ends what begin began: the process runs, and gets the signals that
// came too early for it.
func (p *process) running() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.starting = tasktypes.Status_RUNNING, false
	for _, sig := range p.pending {
		_ = p.started.Signal(syscall.Signal(sig))
	}
	p.pending = nil
}

// giveUp says whether an exec may be removed: it has ended, or it has not begun
// and never will.
func (p *process) giveUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.starting || p.status == tasktypes.Status_RUNNING {
		return false
	}
	p.asked = nil
	return true
}

// launch starts the process, with its streams.
func (p *process) launch(t *task, asked *specs.Process, namespace string) error {
	s, err := openStreams(t.container, p.stdio, logged{t.id, namespace})
	if err != nil {
		return err
	}
	with := runc.ProcessOptions{Init: p.id == "", Stdin: s.in, Stdout: s.out, Stderr: s.err, Console: s.socket}
	started, err := t.container.Launch(asked, with)
	s.handedOver()
	if err == nil {
		err = s.attach()
		if err != nil {
			started.Kill()
		}
	}
	if err != nil {
		s.close()
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started, p.streams = started, s
	return nil
}

func (p *process) pid() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started == nil {
		return 0
	}
	return uint32(p.started.Pid())
}

func (p *process) set(status tasktypes.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

func (p *process) is(status tasktypes.Status) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status == status
}

// ended records how the process ended. Who waits is told by close(p.exited).
func (p *process) ended(code uint32, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.code, p.at, p.starting = tasktypes.Status_STOPPED, code, at, false
}

func (p *process) exit() (code uint32, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code, p.at
}

// wait returns when the end of the process has been told.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// open gives the process's streams; nil before it is started.
func (p *process) open() *streams {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.streams
}

// lastSignal is SIGRTMAX (signal(7)).
const lastSignal = 64

// signal sends a signal to a process that is not the first one; to one that is
// being started, when it is.
func (p *process) signal(sig uint32) error {
	p.mu.Lock()
	started, status := p.started, p.status
	if p.starting {
		defer p.mu.Unlock()
		if sig > lastSignal {
			return answer(errdefs.ErrInvalidArgument)
		}
		if !slices.Contains(p.pending, sig) {
			p.pending = append(p.pending, sig)
		}
		return nil
	}
	p.mu.Unlock()
	switch {
	case status == tasktypes.Status_STOPPED:
		return notFound("process already finished")
	case started == nil:
		return notNow("process not created")
	}
	return signalled(started.Signal(syscall.Signal(sig)))
}
