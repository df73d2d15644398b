package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Start lets the first process run its program, or starts one that was added.
func (s *Service) Start(_ context.Context, r *taskapi.StartRequest) (*taskapi.StartResponse, error) {
	s.work()
	t, p, err := s.findProcess(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if r.ExecID == "" {
		err = s.startInit(t)
	} else {
		err = s.startExec(t, p)
	}
	if err != nil {
		return nil, answer(err)
	}
	return &taskapi.StartResponse{Pid: p.pid()}, nil
}

func (s *Service) startInit(t *task) error {
	t.life.Lock()
	defer t.life.Unlock()
	if !t.init.is(tasktypes.Status_CREATED) {
		return fmt.Errorf("cannot start a container that is not waiting to be: %w", errdefs.ErrFailedPrecondition)
	}
	leave, err := t.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := t.container.Start(); err != nil {
		return fmt.Errorf("OCI runtime start failed: %w", err)
	}
	t.init.set(tasktypes.Status_RUNNING)
	s.tell(&events.TaskStart{ContainerID: t.id, Pid: t.init.pid()})
	return nil
}

func (s *Service) startExec(t *task, p *process) error {
	leave, err := t.enter()
	if err != nil {
		return err
	}
	defer leave()
	asked := p.begin()
	if asked == nil {
		return fmt.Errorf("process %s was started before: %w", p.id, errdefs.ErrFailedPrecondition)
	}
	if !t.begin() {
		p.ended(255, time.Now())
		close(p.exited)
		return fmt.Errorf("container %s init process is not running: %w", t.id, errdefs.ErrFailedPrecondition)
	}
	if err := p.launch(t, asked, s.namespace); err != nil {
		p.ended(255, time.Now())
		close(p.exited)
		t.others.Done()
		return fmt.Errorf("OCI runtime exec failed: exec failed: %w", err)
	}
	p.running()
	s.tell(&events.TaskExecStarted{ContainerID: t.id, ExecID: p.id, Pid: p.pid()})
	go func() {
		defer t.others.Done()
		code := p.started.Wait()
		at := time.Now()
		p.ended(code, at)
		s.tell(&events.TaskExit{ContainerID: t.id, ID: p.id, Pid: p.pid(), ExitStatus: code, ExitedAt: timestamppb.New(at)})
		close(p.exited)
	}()
	return nil
}

// Exec adds a process, to be started.
func (s *Service) Exec(_ context.Context, r *taskapi.ExecProcessRequest) (*emptypb.Empty, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	if r.ExecID == "" {
		return nil, errgrpc.ToGRPCf(errdefs.ErrInvalidArgument, "an exec has no id")
	}
	asked := &specs.Process{}
	if err := json.Unmarshal(r.Spec.GetValue(), asked); err != nil {
		return nil, errgrpc.ToGRPCf(errdefs.ErrInvalidArgument, "the process of exec %s: %v", r.ExecID, err)
	}
	if len(asked.Args) == 0 {
		return nil, errgrpc.ToGRPCf(errdefs.ErrInvalidArgument, "exec %s has no arguments", r.ExecID)
	}
	asked.Terminal = r.Terminal
	p := newProcess(r.ExecID, stdio{r.Stdin, r.Stdout, r.Stderr, r.Terminal})
	if p.asked, err = t.meetExec(asked); err != nil {
		return nil, answer(err)
	}
	if !t.add(p) {
		return nil, errgrpc.ToGRPCf(errdefs.ErrAlreadyExists, "id %s", r.ExecID)
	}
	s.tell(&events.TaskExecAdded{ContainerID: t.id, ExecID: p.id})
	return empty, nil
}

// Kill sends a signal.
func (s *Service) Kill(_ context.Context, r *taskapi.KillRequest) (*emptypb.Empty, error) {
	t, p, err := s.findProcess(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if r.ExecID == "" {
		return empty, t.signal(r.Signal, r.All)
	}
	return empty, p.signal(r.Signal)
}

// Delete removes a process that has ended; with the first one, the container.
func (s *Service) Delete(ctx context.Context, r *taskapi.DeleteRequest) (*taskapi.DeleteResponse, error) {
	s.work()
	t, p, err := s.findProcess(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if r.ExecID == "" {
		err = s.deleteTask(ctx, t)
	} else {
		err = t.deleteExec(p)
	}
	if err != nil {
		return nil, answer(err)
	}
	code, at := p.exit()
	return &taskapi.DeleteResponse{Pid: p.pid(), ExitStatus: code, ExitedAt: timestamppb.New(at)}, nil
}

func (t *task) deleteExec(p *process) error {
	if !p.giveUp() {
		return fmt.Errorf("cannot delete a running process: %w", errdefs.ErrFailedPrecondition)
	}
	p.open().finish()
	t.remove(p)
	return nil
}

func (s *Service) deleteTask(ctx context.Context, t *task) error {
	if t.init.is(tasktypes.Status_CREATED) {
		if err := t.signal(uint32(syscall.SIGKILL), false); err == nil {
			if err := t.init.wait(ctx); err != nil {
				return err
			}
		}
	}
	select {
	case <-t.init.exited:
	default:
		return fmt.Errorf("cannot delete a running process: %w", errdefs.ErrFailedPrecondition)
	}
	t.init.open().finish()
	t.refusals()
	t.mu.Lock()
	for _, p := range t.execs {
		if open := p.open(); open != nil {
			open.close()
		}
	}
	t.mu.Unlock()
	err := t.container.Destroy()
	if !t.replaced() {
		err = errors.Join(err, unmountRoot(t.bundle))
	}
	if err != nil {
		return err
	}
	s.answerDelete(t) // while nobody can have its id
	s.mu.Lock()
	if s.tasks[t.id] == t { // else removed by another request, and its id is another's
		delete(s.tasks, t.id)
	}
	s.mu.Unlock()
	code, at := t.init.exit()
	s.tell(&events.TaskDelete{ContainerID: t.id, Pid: t.init.pid(), ExitStatus: code, ExitedAt: timestamppb.New(at)})
	return nil
}
