package spec_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
)

// decided gives the values of the decisions of a setting.
func decided(plan *spec.Plan, setting string) string {
	var values []string
	for _, d := range plan.Decisions {
		if d.Setting == setting {
			values = append(values, d.Value)
		}
	}
	return strings.Join(values, "; ")
}

// TestSecondLayers: what a profile allows is not refused behind its back, and
// what this kernel has not is told.
func TestSecondLayers(t *testing.T) {
	const none, watch, memory = "user.max_user_namespaces", "user.max_fanotify_groups", "vm.memfd_noexec"
	for _, c := range []struct {
		what        string
		change      func(*spec.Input)
		has, lacks  []string
		says, quiet string
	}{
		{what: "default", has: []string{none, watch, memory}, says: "further namespaces", quiet: "without"},
		{what: "unshare", change: allow("unshare"), has: []string{watch, memory}, lacks: []string{none}, quiet: "namespaces"},
		{what: "fanotify", change: allow("fanotify_init"), has: []string{none, memory}, lacks: []string{watch}},
		{what: "files in memory", change: allow("@memfd"), has: []string{memory}, says: "programs in memory"},
		{what: "programs in memory", change: allow("memfd_create"), has: []string{none}, lacks: []string{memory}},
		{
			what: "Linux 6.1", has: []string{none}, lacks: []string{memory}, says: "without vm.memfd_noexec (Linux 6.3)",
			change: func(in *spec.Input) {
				in.Host.Sysctls = slices.DeleteFunc(spec.SecondLayers(), func(key string) bool { return key == memory })
			},
		},
		{
			what: "no user namespaces", has: []string{memory}, lacks: []string{none, watch},
			change: func(in *spec.Input) { in.Host.UserNamespaces = spec.No; accept(in, "user-namespace") },
		},
		{
			what: "inside another container", lacks: []string{none, watch, memory}, quiet: "no",
			change: func(in *spec.Input) { in.Host.SysctlsWritable = spec.No; accept(in, "namespace-sysctls") },
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			in := input(t, "default")
			if c.change != nil {
				c.change(&in)
			}
			plan := compile(t, in)
			for _, key := range c.has {
				if plan.Namespaced[key] == "" {
					t.Errorf("%s is not set", key)
				}
			}
			for _, key := range c.lacks {
				if value, set := plan.Namespaced[key]; set {
					t.Errorf("%s is %s", key, value)
				}
			}
			got := decided(plan, "second layers")
			if !strings.Contains(got, c.says) || c.quiet != "" && strings.Contains(got, c.quiet) {
				t.Errorf("decided %q, want %q and not %q", got, c.says, c.quiet)
			}
		})
	}
}

func allow(name string) func(*spec.Input) {
	return func(in *spec.Input) {
		in.Profile.Seccomp.Allow = append(in.Profile.Seccomp.Allow, profiles.Syscall{Name: name, Why: "test"})
	}
}
