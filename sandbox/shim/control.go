package shim

import (
	"context"
	"encoding/json"

	"github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// Pause stops every process of a container.
func (s *Service) Pause(_ context.Context, r *taskapi.PauseRequest) (*emptypb.Empty, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	if err := t.pause(true); err != nil {
		return nil, answer(err)
	}
	s.tell(&events.TaskPaused{ContainerID: t.id})
	return empty, nil
}

// Resume undoes Pause.
func (s *Service) Resume(_ context.Context, r *taskapi.ResumeRequest) (*emptypb.Empty, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	if err := t.pause(false); err != nil {
		return nil, answer(err)
	}
	s.tell(&events.TaskResumed{ContainerID: t.id})
	return empty, nil
}

func (t *task) pause(is bool) error {
	t.gate.Lock()
	defer t.gate.Unlock()
	change := t.container.Resume
	if is {
		change = t.container.Pause
	}
	if err := change(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = is
	return nil
}

// Pids lists the processes of a container; those of execs with their ids.
func (s *Service) Pids(_ context.Context, r *taskapi.PidsRequest) (*taskapi.PidsResponse, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	pids, err := t.container.Processes()
	if err != nil {
		return nil, answer(err)
	}
	execs := t.execPids()
	out := &taskapi.PidsResponse{}
	for _, pid := range pids {
		info := &tasktypes.ProcessInfo{Pid: uint32(pid)}
		if exec := execs[uint32(pid)]; exec != "" {
			if info.Info, err = detail(exec); err != nil {
				return nil, err
			}
		}
		out.Processes = append(out.Processes, info)
	}
	return out, nil
}

func detail(exec string) (*anypb.Any, error) {
	info, err := anypb.New(&runcoptions.ProcessDetails{ExecID: exec})
	if err != nil {
		return nil, err
	}
	info.TypeUrl = string(info.MessageName()) // containerd writes it without a host
	return info, nil
}

func (t *task) execPids() map[uint32]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	pids := map[uint32]string{}
	for id, p := range t.execs {
		pids[p.pid()] = id
	}
	delete(pids, 0)
	return pids
}

// Update changes the limits of a container.
func (s *Service) Update(_ context.Context, r *taskapi.UpdateTaskRequest) (*emptypb.Empty, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	var limits specs.LinuxResources
	if err := json.Unmarshal(r.Resources.GetValue(), &limits); err != nil {
		return nil, errgrpc.ToGRPCf(errdefs.ErrInvalidArgument, "resources: %v", err)
	}
	if t.met != nil {
		if err := t.met.MeetUpdate(&limits); err != nil {
			return nil, answer(err)
		}
	}
	return empty, answer(t.container.Update(limits, runc.Schemas{}))
}
