package seccomp

import (
	"slices"
	"strings"
	"testing"
)

func TestRenderRefuses(t *testing.T) {
	for _, c := range []struct {
		policy Policy
		want   string
	}{
		{Policy{Arch: "riscv64"}, "architecture"},
		{Policy{Arch: "amd64", Allow: []string{"@nosuch"}}, "@nosuch"},
		{Policy{Arch: "amd64", Allow: []string{"nosuch"}}, "nosuch"},
		{Policy{Arch: "amd64", Allow: []string{"clone3"}}, "cannot be allowed"},
		{Policy{Arch: "amd64", Allow: []string{"openat2"}}, "cannot be allowed"},
		{Policy{Arch: "amd64", Families: []string{"AF_NOSUCH"}}, "AF_NOSUCH"},
	} {
		if _, err := Render(c.policy); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.policy, err, c.want)
		}
	}
}

// TestNoGroupIsDangerous: what is known to be dangerous, or cannot be filtered,
// is never allowed by a group, and never by the launcher.
func TestNoGroupIsDangerous(t *testing.T) {
	for _, g := range append(slices.Clone(groups), Group{Name: "launcher", Sets: launcher}, Group{Name: "first process", Sets: firstProcess}) {
		for _, name := range g.members() {
			if why, dangerous := Denied(name); dangerous {
				t.Errorf("%s has %s: %s", g.Name, name, why)
			}
			if _, ok := Unfilterable(name); ok {
				t.Errorf("%s has %s, which cannot be filtered", g.Name, name)
			}
		}
	}
}

// TestDenialsAreSystemCalls, each with a reason and once.
func TestDenialsAreSystemCalls(t *testing.T) {
	seen := map[string]bool{}
	for _, set := range slices.Concat(denials, privileged, launcher) {
		if set.Why == "" {
			t.Errorf("no reason for %v", set.Names)
		}
		for _, name := range set.Names {
			if !IsSyscall(name) || seen[name] {
				t.Errorf("%s is no system call, or is named twice", name)
			}
			seen[name] = true
		}
	}
}

// TestRulesDoNotOverlap: no argument list is both allowed and denied, because
// which of the two wins is up to libseccomp.
func TestRulesDoNotOverlap(t *testing.T) {
	all := Policy{Arch: "amd64", Allow: GroupNames(), Families: FamilyNames(), RawSockets: true, Inbound: true}
	for _, r := range filtered(all) {
		for _, a := range r.allow {
			for _, d := range r.deny {
				if overlap(a, d) {
					t.Errorf("%s: %v and %v", r.name, a, d)
				}
			}
		}
		if r.why == "" || len(r.allow) == 0 && r.name != "connect" {
			t.Errorf("%s: no reason, or nothing allowed", r.name)
		}
	}
}

// overlap reports whether some arguments fulfil both.
func overlap(a, b conditions) bool {
	for _, x := range a {
		for _, y := range b {
			if both := x.Value & y.Value; x.Index == y.Index && x.ValueTwo&both != y.ValueTwo&both {
				return false
			}
		}
	}
	return true
}
