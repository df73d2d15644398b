package seccomp

import (
	"slices"
	"strings"
	"testing"
)

func TestGroupsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range groups {
		if !strings.HasPrefix(g.Name, "@") || g.Why == "" || seen[g.Name] {
			t.Errorf("group %q: bad or repeated name, or no reason", g.Name)
		}
		seen[g.Name] = true
		var all []string
		for _, set := range g.Sets {
			if set.Why == "" || len(set.Names) == 0 {
				t.Errorf("%s: a set without a reason or members", g.Name)
			}
			all = append(all, set.Names...)
		}
		if len(all) != len(g.members()) {
			t.Errorf("%s names a system call twice", g.Name)
		}
		for _, name := range all {
			if !IsSyscall(name) {
				t.Errorf("%s: %q is no system call", g.Name, name)
			}
		}
	}
}

func TestExpand(t *testing.T) {
	got := Expand([]string{"@net-server", "read", "bind", "@nosuch"})
	want := []string{"accept", "accept4", "bind", "listen", "read"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestQueries(t *testing.T) {
	switch {
	case !IsGroup("@base"), IsGroup("base"), IsGroup("@nosuch"):
		t.Error("IsGroup")
	case !IsSyscall("openat"), IsSyscall("@base"), IsSyscall("OPENAT"), IsSyscall(""):
		t.Error("IsSyscall")
	case !IsFamily("AF_INET"), IsFamily("INET"), IsFamily("PF_INET"):
		t.Error("IsFamily")
	case GroupWhy("@base") == "", GroupWhy("@nosuch") != "":
		t.Error("GroupWhy")
	case len(Names()) < 380, !slices.IsSorted(Names()):
		t.Error("Names")
	case !slices.IsSorted(GroupNames()), !slices.IsSorted(FamilyNames()):
		t.Error("not sorted")
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		arch, name string
		want       int
		ok         bool
	}{
		{"amd64", "read", 0, true},
		{"arm64", "read", 63, true},
		{"amd64", "open", 2, true},
		{"arm64", "open", -1, false},
		{"arm64", "newfstatat", 79, true},
	} {
		got, ok := number(c.arch, c.name)
		if got != c.want || ok != c.ok {
			t.Errorf("number(%s, %s) = %d, %v", c.arch, c.name, got, ok)
		}
	}
}
