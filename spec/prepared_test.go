package spec_test

import (
	"slices"
	"testing"

	"github.com/safe-run/safe-run/spec"
)

func TestPrepared(t *testing.T) {
	in := input(t, "default")
	in.Request.Args = []string{"/app", "x"}
	plain, err := spec.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	in.Request.Prepared = true
	for _, init := range []bool{false, true} {
		in.Profile.Process.Init = &init
		plan, err := spec.Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		want := append([]string{spec.PreparedPath}, plain.OCI.Process.Args...)
		mounts := len(plain.OCI.Mounts) + 1
		if init { // it is what the waiting process becomes
			want, mounts = slices.Insert(want, 1, spec.InitPath), mounts+1
		}
		if !slices.Equal(plan.OCI.Process.Args, want) || len(plan.OCI.Mounts) != mounts || !plan.Lifecycle.Prepared {
			t.Errorf("init %v: %q and %d mounts; want %q and %d", init, plan.OCI.Process.Args, len(plan.OCI.Mounts), want, mounts)
		}
		for _, m := range plan.OCI.Mounts {
			if m.Destination == spec.PreparedPath && (!slices.Contains(m.Options, "ro") || !slices.Contains(m.Options, "nosuid") || m.Source != in.Host.Executable) {
				t.Errorf("%+v", m)
			}
		}
	}
	in.Request.Binds = []spec.Bind{{Source: "/x", Target: spec.PreparedPath, Flag: "-v"}}
	if _, err := spec.Compile(in); err == nil {
		t.Error("something can be mounted over the process that waits")
	}
}
