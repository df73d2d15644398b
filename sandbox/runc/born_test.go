package runc

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer"
)

// TestBornNeeds: what born replaces is there in this libcontainer.
func TestBornNeeds(t *testing.T) {
	field, found := reflect.TypeFor[libcontainer.Container]().FieldByName("cgroupManager")
	if !found || field.Type != reflect.TypeFor[cgroups.Manager]() {
		t.Error("libcontainer keeps its manager of control groups elsewhere: born does nothing any more")
	}
}

// fakeManager says what was asked of it.
type fakeManager struct {
	cgroups.Manager
	applied   int
	set       bool
	destroyed func()
	paths     map[string]string
}

func (m *fakeManager) Destroy() error { m.destroyed(); return nil }

func (m *fakeManager) Apply(pid int) error          { m.applied = pid; return nil }
func (m *fakeManager) Set(*cgroups.Resources) error { m.set = true; return nil }
func (m *fakeManager) GetPaths() map[string]string  { return m.paths }

// TestBorn: a thread goes into the groups and comes back before any limit is set;
// a process that is not in them is moved by libcontainer's own manager.
func TestBorn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED: being forked in a control group: it needs root")
	}
	const path = "/safe-run-test-born"
	groups, err := MakeGroups(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) == 0 {
		t.Skip("NOT CHECKED: being forked in a control group: this host has version 2, or a hierarchy of its own")
	}
	t.Cleanup(func() {
		if err := Remove(path, false); err != nil {
			t.Error(err)
		}
	})
	for _, g := range groups {
		if err := os.MkdirAll(g.Path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread() // and never unlocked: should it not come back, it ends here
	where := func() map[string]string {
		at, err := cgroups.ParseCgroupFile("/proc/thread-self/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	before := where()
	below := &fakeManager{paths: map[string]string{"": "/u", "pids": "/p"}}
	b := &born{Manager: below, path: path, groups: groups}
	if !fillCpuset(groups) || !b.enter() {
		t.Fatal("the thread did not get into its groups")
	}
	inside := where()
	for _, g := range groups {
		if inside[g.hierarchy()] != path {
			t.Errorf("%s: in %q", g.Name, inside[g.hierarchy()])
		}
	}
	if err := b.Set(nil); err != nil || !below.set {
		t.Errorf("limits: %v, set %v", err, below.set)
	}
	if after := where(); !reflect.DeepEqual(after, before) {
		t.Errorf("it came back to %v, was in %v", after, before)
	}
	if paths := b.GetPaths(); len(paths) != 1 || paths["pids"] != "/p" {
		t.Errorf("paths: %v", paths)
	}
	if err := b.Apply(os.Getpid()); err != nil || below.applied != os.Getpid() {
		t.Errorf("a process that is elsewhere: %v, moved %d", err, below.applied)
	}
	if paths := b.GetPaths(); len(paths) != 2 {
		t.Errorf("paths of a container that was moved: %v", paths)
	}
	// Groups are taken away without it.
	if !b.enter() {
		t.Fatal("the thread did not get into its groups again")
	}
	below.destroyed = func() {
		if at := where(); !reflect.DeepEqual(at, before) {
			t.Errorf("the groups are taken away while it is in %v", at)
		}
	}
	if err := b.Destroy(); err != nil {
		t.Error(err)
	}
	// One that cannot be entered leaves the thread where it was.
	b.groups = append(b.groups, Group{Name: "pids", Path: filepath.Join("/sys/fs/cgroup/pids", path, "none")})
	if b.enter() {
		t.Error("it got into a group that is not there")
	}
	if after := where(); !reflect.DeepEqual(after, before) {
		t.Errorf("it is left in %v, was in %v", after, before)
	}
}
