package runc

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
)

// TestAnnotationsAreNoRules: no annotation of a container is taken for what its
// processes are put under, with rules of ours and without.
func TestAnnotationsAreNoRules(t *testing.T) {
	for _, annotation := range []string{
		"{}", `{"abi":7,"rules":[{"path":"/","access":["write"]}]}`, `{"limits":[{"Type":7,"Soft":1048576,"Hard":1048576}]}`,
	} {
		for _, rules := range []*spec.Landlock{nil, {ABI: 7, Rules: []spec.LandlockRule{{Path: "/", Access: []string{spec.LandlockRead}}}}} {
			oci := &specs.Spec{
				Root: &specs.Root{Path: "/"}, Linux: &specs.Linux{}, Process: &specs.Process{},
				Annotations: map[string]string{"dev.safe-run.landlock": annotation, "dev.safe-run.landlock=": annotation, "a": "b"},
			}
			config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{CgroupName: "c", Spec: oci})
			if err != nil {
				t.Fatal(err)
			}
			if err := underLandlock(config, rules); err != nil {
				t.Fatal(err)
			}
			got := string(landlockOf(config))
			if rules == nil && got != "" || rules != nil && !strings.Contains(got, `"abi":7,"rules":[{"path":"/","access":["read"]}]`) {
				t.Errorf("%s: the rules are %q", annotation, got)
			}
			ours := slices.DeleteFunc(slices.Clone(config.Labels), func(l string) bool { return !strings.HasPrefix(l, "dev.safe-run.landlock") })
			if rules == nil && len(ours) != 0 || rules != nil && len(ours) != 1 || !slices.Contains(config.Labels, "a=b") {
				t.Errorf("%s: labels %q", annotation, config.Labels)
			}
		}
	}
}
