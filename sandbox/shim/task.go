package shim

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
)

// task is a container with its processes.
type task struct {
	id, bundle string
	container  *runc.Bundle
	met        *spec.Met // nil when no policy applies
	init       *process
	denials    *denials // nil when its filter does not report
	limits     *counted // nil without a policy
	egress     *egress  // nil when its network is not its own, or not held to anything
	who        subject
	dir        func() string // of what it is refused

	made   bool        // by Create; until then nobody finds it. Guarded by Service.mu
	config os.FileInfo // of the bundle's config.json, by which the bundle is known
	missed int         // how often the bundle was not there; Service.endForgotten's

	// life orders what is told of the first process: that it was started comes
	// before that it ended.
	life sync.Mutex

	// gate keeps a pause and the start of a process apart: who is frozen while he
	// joins is waited for, and nothing of libcontainer's answers meanwhile.
	gate sync.RWMutex

	mu     sync.Mutex
	execs  map[string]*process
	paused bool
	over   bool           // the first process has ended: no other is started
	others sync.WaitGroup // execs whose end has not been told

	// memory is whether it has been told that memory ran out, and whether the end
	// has, after which it is not.
	memory struct {
		sync.Mutex
		told, over bool
	}
}

func (t *task) process(exec string) (*process, error) {
	if exec == "" {
		return t.init, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.execs[exec]; p != nil {
		return p, nil
	}
	return nil, notFound("process does not exist %s", exec)
}

// status is that of a process; while a container is paused all of them are.
func (t *task) status(p *process) tasktypes.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.paused && p.status != tasktypes.Status_STOPPED {
		return tasktypes.Status_PAUSED
	}
	return p.status
}

// add takes a further process, which is not started yet.
func (t *task) add(p *process) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.execs[p.id] != nil {
		return false
	}
	t.execs[p.id] = p
	return true
}

func (t *task) remove(p *process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.execs, p.id)
}

// begin says whether another process may be started; its end is waited for.
func (t *task) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.others.Add(1)
	return true
}

// enter begins the start of a process, which leave ends; it is refused while the
// container is paused.
func (t *task) enter() (leave func(), err error) {
	t.gate.RLock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paused {
		t.gate.RUnlock()
		return nil, fmt.Errorf("cannot exec in a paused container: %w", errdefs.ErrFailedPrecondition)
	}
	return t.gate.RUnlock, nil
}

// watch waits for the first process, then for those beside it: their ends are
// told before its own. With a pid namespace of its own the kernel has killed
// them.
func (t *task) watch(told func(code uint32, at time.Time)) {
	code := t.init.started.Wait()
	at := time.Now()
	t.life.Lock()
	defer t.life.Unlock()
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	_ = t.container.KillRest()
	t.others.Wait()
	if t.limits != nil {
		t.limits.flush(true) // while the control group is there
	}
	t.init.ended(code, at)
	// Without it a clean-up after this shim tells of SIGKILL.
	_ = record{int(t.init.pid()), code, at}.write(t.bundle)
	told(code, at)
	close(t.init.exited)
	t.refusals()
}

// refusals tells of the rest that the container was refused.
func (t *task) refusals() {
	t.denials.end()
	t.egress.end()
}

// signal sends a signal to the first process, or to all.
func (t *task) signal(sig uint32, all bool) error {
	if t.init.is(tasktypes.Status_STOPPED) {
		return notFound("process already finished")
	}
	s := syscall.Signal(sig)
	if all && s != syscall.SIGKILL {
		return signalled(t.container.SignalAll(s))
	}
	return signalled(t.container.SignalFirst(t.init.started, s))
}

// meetExec holds a further process to what the first one was held to.
func (t *task) meetExec(asked *specs.Process) (*specs.Process, error) {
	if t.met == nil {
		return asked, nil
	}
	return t.met.MeetExec(asked)
}
