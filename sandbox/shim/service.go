package shim

import (
	"context"
	"os"
	"sync"
	"time"

	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/safe-run/safe-run/sandbox/slim"
	"github.com/safe-run/safe-run/sandbox/trace"
)

// Service is containerd's task service.
type Service struct {
	tell      tell
	end       ending
	namespace string
	config    Config
	notices   *notices
	address   string // of the socket; empty when whoever started this process has it

	mu    sync.Mutex
	tasks map[string]*task // also those that are being made
	quiet *time.Timer      // until memory is given back
	later *time.Timer      // until what is forgotten is looked for

	looking sync.Mutex // one look at a time
	missed  int        // how often there was neither a task nor the shim's own bundle
}

var _ taskapi.TTRPCTaskService = (*Service)(nil)

func newService(t tell, end ending, namespace string, c Config) *Service {
	s := &Service{tell: t, end: end, namespace: namespace, config: c, notices: newNotices(t), tasks: map[string]*task{}}
	// Asked before this process has a filter of its own, which it would take for
	// somebody else's.
	trace.Available()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later = time.AfterFunc(forgotten, s.endForgotten)
	return s
}

// quietAfter is how long nothing is made or removed before the memory that it
// took is given back.
const quietAfter = time.Second

// work says that something is made or removed.
func (s *Service) work() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later.Reset(forgotten)
	if s.quiet == nil {
		s.quiet = time.AfterFunc(quietAfter, slim.Slim)
		return
	}
	if !s.quiet.Reset(quietAfter) {
		slim.Rouse()
	}
}

// RegisterTTRPC implements the library's TTRPCService.
func (s *Service) RegisterTTRPC(server *ttrpc.Server) error {
	taskapi.RegisterTTRPCTaskService(server, s)
	registerOlder(server, s)
	return nil
}

var empty = &emptypb.Empty{}

// find gives a task.
func (s *Service) find(id string) (*task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[id]; t != nil && t.made {
		return t, nil
	}
	return nil, notFound("container not created")
}

// findProcess gives a process of a task.
func (s *Service) findProcess(id, exec string) (*task, *process, error) {
	t, err := s.find(id)
	if err != nil {
		return nil, nil, err
	}
	p, err := t.process(exec)
	return t, p, err
}

// State tells how a process is.
func (s *Service) State(_ context.Context, r *taskapi.StateRequest) (*taskapi.StateResponse, error) {
	t, p, err := s.findProcess(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	code, at := p.exit()
	id := p.id
	if id == "" {
		id = t.id
	}
	return &taskapi.StateResponse{
		ID: id, Bundle: t.bundle, Pid: p.pid(), Status: t.status(p),
		Stdin: p.stdio.stdin, Stdout: p.stdio.stdout, Stderr: p.stdio.stderr, Terminal: p.stdio.terminal,
		ExitStatus: code, ExitedAt: timestamppb.New(at),
	}, nil
}

// Wait returns when a process has ended.
func (s *Service) Wait(ctx context.Context, r *taskapi.WaitRequest) (*taskapi.WaitResponse, error) {
	_, p, err := s.findProcess(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if err := p.wait(ctx); err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	code, at := p.exit()
	return &taskapi.WaitResponse{ExitStatus: code, ExitedAt: timestamppb.New(at)}, nil
}

// ResizePty sets the size of a terminal.
func (s *Service) ResizePty(_ context.Context, r *taskapi.ResizePtyRequest) (*emptypb.Empty, error) {
	_, p, err := s.findProcess(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if open := p.open(); open != nil {
		err = open.resize(r.Width, r.Height)
	}
	return empty, answer(err)
}

// CloseIO ends a process's standard input.
func (s *Service) CloseIO(_ context.Context, r *taskapi.CloseIORequest) (*emptypb.Empty, error) {
	_, p, err := s.findProcess(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if open := p.open(); open != nil && r.Stdin {
		open.closeInput()
	}
	return empty, nil
}

// Checkpoint is not supported.
func (s *Service) Checkpoint(context.Context, *taskapi.CheckpointTaskRequest) (*emptypb.Empty, error) {
	return nil, errNoCheckpoint
}

var errNoCheckpoint = errgrpc.ToGRPCf(errdefs.ErrNotImplemented,
	"checkpoints are unsupported: a process that is restored would have the confinement that its image says")

// Connect tells the process numbers of the shim and of a task.
func (s *Service) Connect(_ context.Context, r *taskapi.ConnectRequest) (*taskapi.ConnectResponse, error) {
	answer := &taskapi.ConnectResponse{ShimPid: uint32(os.Getpid())}
	if t, err := s.find(r.ID); err == nil {
		answer.TaskPid = t.init.pid()
	}
	return answer, nil
}

// Shutdown ends the shim when it has no tasks.
func (s *Service) Shutdown(context.Context, *taskapi.ShutdownRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tasks) == 0 {
		Sweep(DefaultNotices)
		s.end.Shutdown()
	}
	return empty, nil
}
