package predict_test

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
)

// TestWithoutSize: a tmpfs that has lost its size has none, where the kernel's own
// would be half of the machine's memory, and might be what an attack comes up to.
func TestWithoutSize(t *testing.T) {
	plan := &spec.Plan{OCI: &specs.Spec{Mounts: []specs.Mount{
		{Destination: "/tmp", Type: "tmpfs", Options: []string{"nosuid", "size=64k", "mode=1777"}},
		{Destination: "/data", Type: "bind", Options: []string{"rbind", "nosuid"}},
	}}}
	predict.Without(battery.Mounts)(plan)
	for i, want := range [][]string{{"mode=1777", "nr_blocks=0"}, {"rbind"}} {
		if got := plan.OCI.Mounts[i].Options; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", plan.OCI.Mounts[i].Destination, got, want)
		}
	}
}
