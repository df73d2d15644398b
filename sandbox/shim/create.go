package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/log"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec/problem"
)

// Create makes a container of a bundle; its first process waits before its
// program.
func (s *Service) Create(ctx context.Context, r *taskapi.CreateTaskRequest) (_ *taskapi.CreateTaskResponse, err error) {
	if r.Checkpoint != "" {
		return nil, errNoCheckpoint
	}
	s.work()
	t := &task{id: r.ID, bundle: r.Bundle, execs: map[string]*process{}}
	t.init = newProcess("", stdio{r.Stdin, r.Stdout, r.Stderr, r.Terminal})
	if !s.reserve(t) {
		return nil, errgrpc.ToGRPCf(errdefs.ErrAlreadyExists, "container %s", r.ID)
	}
	err = s.create(t, r)
	s.mu.Lock()
	t.made = err == nil
	if err != nil {
		delete(s.tasks, r.ID)
	}
	s.mu.Unlock()
	if err != nil {
		t.clear()
		log.G(ctx).WithField("id", r.ID).WithError(err).Error("create")
		return nil, answer(fmt.Errorf("OCI runtime create failed: %w", err))
	}
	s.tell(&events.TaskCreate{
		ContainerID: r.ID, Bundle: r.Bundle, Rootfs: r.Rootfs, Pid: t.init.pid(),
		IO: &events.TaskIO{Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Terminal: r.Terminal},
	})
	s.watchMemory(t)
	go t.watch(func(code uint32, at time.Time) {
		s.outOfMemory(t, true)
		s.tell(&events.TaskExit{ContainerID: t.id, ID: t.id, Pid: t.init.pid(), ExitStatus: code, ExitedAt: timestamppb.New(at)})
		s.look()
	})
	return &taskapi.CreateTaskResponse{Pid: t.init.pid()}, nil
}

func (s *Service) reserve(t *task) bool {
	t.config, _ = os.Stat(configOf(t.bundle))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tasks[t.id] != nil {
		return false
	}
	s.tasks[t.id] = t
	return true
}

func (s *Service) create(t *task, r *taskapi.CreateTaskRequest) (err error) {
	options, err := readOptions(r.Options)
	if err != nil {
		return err
	}
	oci, err := readBundle(r.Bundle)
	if err != nil {
		return err
	}
	with := runc.BundleOptions{NoPivot: options.NoPivot, NoNewKeyring: options.NoNewKeyring, Directory: r.Bundle}
	if oci, err = s.meet(t, Ask{OCI: oci, Bundle: r.Bundle, Options: options}); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			t.refusals()
		}
	}()
	if t.met != nil {
		with.Landlock = t.met.Landlock
		if with.Met, err = json.Marshal(t.met); err != nil {
			return err
		}
	}
	if err := mountRoot(r.Bundle, r.Rootfs); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unmountRoot(r.Bundle))
		}
	}()
	_ = os.Remove(deletedFile(r.Bundle))
	if err := s.enclose(t, oci, 0); err != nil {
		return err
	}
	all := runc.Bundles{Root: stateOf(r.Bundle), Systemd: options.Systemd || oci.Linux != nil && isScope(oci.Linux.CgroupsPath)}
	container, err := all.Create(r.ID, oci, with)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.container = container
	t.mu.Unlock()
	if err := t.init.launch(t, oci.Process, s.namespace); err != nil {
		return errors.Join(err, t.container.Destroy())
	}
	if err := s.enclose(t, oci, t.init.pid()); err != nil {
		t.init.started.Kill()
		t.init.open().close()
		return errors.Join(err, t.container.Destroy())
	}
	return nil
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
			s.outOfMemory(t, false)
			if t.limits != nil {
				t.limits.soon(newAfter)
			}
		}
	}()
}

// outOfMemory tells that memory ran out, unless the end has been told, which
// comes of it. At the end the kernel is asked for what nobody has heard of yet.
func (s *Service) outOfMemory(t *task, end bool) {
	t.memory.Lock()
	defer t.memory.Unlock()
	if t.memory.over {
		return
	}
	t.memory.over = end
	if end {
		if kills, err := t.container.OOMKills(); err != nil || kills == 0 || t.memory.told {
			return
		}
	}
	t.memory.told = true
	s.tell(&events.TaskOOM{ContainerID: t.id})
}

// meet holds a container to its policy, tells what it was refused, and has its
// filter report.
func (s *Service) meet(t *task, ask Ask) (*specs.Spec, error) {
	if s.config.Policy == nil {
		return ask.OCI, nil
	}
	dir := func() string { return s.noticesIn(ask.Options) }
	who, filtered := subjectOf(s.namespace, t.id, ask.OCI), ask.OCI.Linux != nil && ask.OCI.Linux.Seccomp != nil
	met, err := s.config.Policy(ask)
	if err != nil {
		s.notices.add(dir, notice{What: noticeRefused, subject: who, Message: err.Error(), Hint: problem.HintOf(err)})
		return nil, err
	}
	if met == nil {
		return ask.OCI, nil
	}
	t.met, who.Profile = met, met.Profile
	t.who, t.dir = who, dir
	if who.Pod != who.ID { // the pause container waits
		s.countLimits(t)
	}
	for _, d := range met.Stripped {
		s.notices.add(dir, who.stripped(d))
	}
	oci, err := s.listen(t, who, dir, met.OCI)
	if t.denials != nil && filtered {
		t.denials.more = "; the engine's own filter must allow it, too (in a pod: securityContext.seccompProfile)"
	}
	return oci, err
}

// noticesIn is where what is refused is written down.
func (s *Service) noticesIn(o Options) string {
	if s.config.Notices == nil {
		return DefaultNotices
	}
	return s.config.Notices(o)
}
