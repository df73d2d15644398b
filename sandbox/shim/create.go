package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/log"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// Create makes a container of a bundle; its first process waits before its
// program.
func (s *Service) Create(ctx context.Context, r *taskapi.CreateTaskRequest) (_ *taskapi.CreateTaskResponse, err error) {
	if r.Checkpoint != "" {
		return nil, errNoCheckpoint
	}
	s.work()
	if !s.reserve(r.ID) {
		return nil, errgrpc.ToGRPCf(errdefs.ErrAlreadyExists, "container %s", r.ID)
	}
	t, err := s.create(r)
	s.mu.Lock()
	if err != nil {
		delete(s.tasks, r.ID)
	} else {
		s.tasks[r.ID], s.used = t, true
	}
	s.mu.Unlock()
	if err != nil {
		log.G(ctx).WithField("id", r.ID).WithError(err).Error("create")
		return nil, answer(fmt.Errorf("OCI runtime create failed: %w", err))
	}
	s.tell(&events.TaskCreate{
		ContainerID: r.ID, Bundle: r.Bundle, Rootfs: r.Rootfs, Pid: t.init.pid(),
		IO: &events.TaskIO{Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Terminal: r.Terminal},
	})
	s.watchMemory(t)
	go t.watch(func(code uint32, at time.Time) {
		s.tell(&events.TaskExit{ContainerID: t.id, ID: t.id, Pid: t.init.pid(), ExitStatus: code, ExitedAt: timestamppb.New(at)})
	})
	return &taskapi.CreateTaskResponse{Pid: t.init.pid()}, nil
}

func (s *Service) reserve(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.tasks[id]; taken {
		return false
	}
	s.tasks[id] = nil
	return true
}

func (s *Service) create(r *taskapi.CreateTaskRequest) (_ *task, err error) {
	options, err := readOptions(r.Options)
	if err != nil {
		return nil, err
	}
	oci, err := readBundle(r.Bundle)
	if err != nil {
		return nil, err
	}
	t := &task{id: r.ID, bundle: r.Bundle, execs: map[string]*process{}}
	t.init = newProcess("", stdio{r.Stdin, r.Stdout, r.Stderr, r.Terminal})
	with := runc.BundleOptions{NoPivot: options.NoPivot, NoNewKeyring: options.NoNewKeyring, Directory: r.Bundle}
	if t.met, err = s.policy(Ask{OCI: oci, Bundle: r.Bundle, Options: options}); err != nil {
		return nil, err
	}
	if t.met != nil {
		oci = t.met.OCI
		if with.Met, err = json.Marshal(t.met); err != nil {
			return nil, err
		}
	}
	if err := mountRoot(r.Bundle, r.Rootfs); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unmountRoot(r.Bundle))
		}
	}()
	all := runc.Bundles{Root: stateOf(r.Bundle), Systemd: options.Systemd}
	if t.container, err = all.Create(r.ID, oci, with); err != nil {
		return nil, err
	}
	if err := t.init.launch(t, oci.Process, s.namespace); err != nil {
		return nil, errors.Join(err, t.container.Destroy())
	}
	return t, nil
}

// watchMemory tells when the kernel has run out of the container's memory.
func (s *Service) watchMemory(t *task) {
	happened, err := t.container.OOM()
	if err != nil {
		log.L.WithField("id", t.id).WithError(err).Warn("who runs out of memory will not be told")
		return
	}
	go func() {
		for range happened {
			s.tell(&events.TaskOOM{ContainerID: t.id})
		}
	}()
}
