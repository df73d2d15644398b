package shim

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// TestStarting: an exec that is being started is not removed, and the signals
// that come meanwhile are kept for it.
func TestStarting(t *testing.T) {
	tk := &task{execs: map[string]*process{}}
	p := newProcess("a", stdio{})
	p.asked = &specs.Process{}
	tk.add(p)
	if err := errgrpc.ToNative(p.signal(15)); !errors.Is(err, errdefs.ErrFailedPrecondition) {
		t.Errorf("a signal before: %v", err)
	}
	if p.begin() == nil || p.begin() != nil {
		t.Error("it is not started once")
	}
	if err := tk.deleteExec(p); !errors.Is(err, errdefs.ErrFailedPrecondition) || tk.execs["a"] != p {
		t.Errorf("removed while it is being started: %v", err)
	}
	for _, sig := range []uint32{15, 9, 15} {
		if err := p.signal(sig); err != nil {
			t.Error(err)
		}
	}
	if err := errgrpc.ToNative(p.signal(65)); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("signal 65: %v", err)
	}
	if !slices.Equal(p.pending, []uint32{15, 9}) {
		t.Errorf("kept %v", p.pending)
	}
	p.ended(255, time.Now())
	if err := errgrpc.ToNative(p.signal(15)); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a signal after: %v", err)
	}
	if err := tk.deleteExec(p); err != nil || len(tk.execs) > 0 {
		t.Errorf("not removed after its end: %v", err)
	}
	// One that is removed before it begins never does.
	p = newProcess("b", stdio{})
	p.asked = &specs.Process{}
	tk.add(p)
	if err := tk.deleteExec(p); err != nil || p.begin() != nil {
		t.Errorf("started after it was removed: %v", err)
	}
}

func TestEnter(t *testing.T) {
	tk := &task{}
	leave, err := tk.enter()
	if err != nil {
		t.Fatal(err)
	}
	if tk.gate.TryLock() {
		t.Error("a pause does not wait for who is started")
	}
	leave()
	tk.paused = true
	if _, err := tk.enter(); !errors.Is(err, errdefs.ErrFailedPrecondition) {
		t.Errorf("in a paused container: %v", err)
	}
	if !tk.gate.TryLock() {
		t.Error("the refused one holds up a resume")
	}
}

// TestWasMade: without a directory of state a container's control group is not
// its own to remove.
func TestWasMade(t *testing.T) {
	bundle := t.TempDir()
	if wasMade(bundle, "c") {
		t.Error("a container that was not made")
	}
	if err := os.MkdirAll(filepath.Join(stateOf(bundle), "c"), 0o711); err != nil {
		t.Fatal(err)
	}
	if !wasMade(bundle, "c") || wasMade(bundle, "d") {
		t.Error("a container that was made")
	}
	if err := removeGroup(bundle, false); err != nil {
		t.Errorf("looked at a spec that is not its own: %v", err)
	}
}

// TestDeletedTwice: a task that another request has removed takes nothing from
// the one that has its id by now.
func TestDeletedTwice(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED: not root: no container is made")
	}
	bundle := t.TempDir()
	oci := &specs.Spec{Version: specs.Version, Root: &specs.Root{Path: bundle}, Process: &specs.Process{Args: []string{"/x"}, Cwd: "/"}, Linux: &specs.Linux{}}
	s := &Service{tell: func(any) {}, tasks: map[string]*task{}}
	ended := func() *task {
		container, err := runc.Bundles{Root: filepath.Join(t.TempDir(), "state")}.Create("c", oci, runc.BundleOptions{Directory: bundle})
		if err != nil {
			t.Fatal(err)
		}
		made := &task{id: "c", bundle: bundle, container: container, init: newProcess("", stdio{}), made: true}
		made.init.ended(0, time.Now())
		close(made.init.exited)
		return made
	}
	removed, next := ended(), ended()
	s.tasks["c"] = next
	if err := s.deleteTask(t.Context(), removed); err != nil || s.tasks["c"] != next {
		t.Errorf("%v, left: %v", err, s.tasks)
	}
	if err := s.deleteTask(t.Context(), next); err != nil || len(s.tasks) != 0 {
		t.Errorf("%v, left: %v", err, s.tasks)
	}
}
