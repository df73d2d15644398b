// Package seccomp is the system call policy: groups of system calls as data,
// rules about their arguments, and the translation into the OCI seccomp object.
//
// What the filter does, in order of what a program meets:
//
//   - a system call of a foreign architecture (int 0x80, x32) kills the process;
//   - one that the policy allows is allowed, some only with certain arguments;
//   - one that is known to be dangerous (see Denied), or that needs privileges,
//     fails with EPERM;
//   - everything else fails with ENOSYS, so that a C library which tries a newer
//     call falls back to an older one.
//
// Arguments that are an int to the kernel are compared in their low 32 bits
// only, because that is all the kernel looks at: a filter that compares 64
// bits is passed by by setting bit 32 (https://bugs.launchpad.net/snapd/+bug/1812973).
package seccomp

import (
	"slices"
	"strings"
)

// Group is a named set of system calls that a profile can allow together.
type Group struct {
	Name string // begins with @
	Why  string // what a program needs it for
	Sets []Set
}

// Set is a part of a group with one reason.
type Set struct {
	Why   string   `json:"why"`
	Names []string `json:"names"`
}

// members lists the system calls of g, sorted and unique.
func (g Group) members() []string {
	var names []string
	for _, set := range g.Sets {
		names = append(names, set.Names...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func find(name string) (Group, bool) {
	i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return Group{}, false
	}
	return groups[i], true
}

// IsGroup reports whether name is a known group. Groups begin with @.
func IsGroup(name string) bool {
	_, ok := find(name)
	return ok
}

// GroupNames lists all groups, sorted.
func GroupNames() []string {
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return names
}

// GroupWhy says what a group is for; empty for an unknown group.
func GroupWhy(name string) string {
	g, _ := find(name)
	return g.Why
}

// GroupSets gives the parts of a group, each with its reason; nil for an
// unknown group.
func GroupSets(name string) []Set {
	g, _ := find(name)
	return slices.Clone(g.Sets)
}

// Expand replaces groups by their members and gives plain system call names,
// sorted and unique. A group that is not known stands for nothing; callers
// that want an error ask IsGroup first.
func Expand(names []string) []string {
	if known := expanded.find(names); known != nil {
		return known
	}
	out := expand(names)
	expanded.keep(names, out)
	return out
}

func expand(names []string) []string {
	var out []string
	for _, name := range names {
		if strings.HasPrefix(name, "@") {
			g, _ := find(name)
			out = append(out, g.members()...)
			continue
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// IsSyscall reports whether name is a system call of x86-64 or arm64.
func IsSyscall(name string) bool {
	_, ok := number("amd64", name)
	if !ok {
		_, ok = number("arm64", name)
	}
	return ok
}

// Names lists every known x86-64 system call, sorted.
func Names() []string {
	var names []string
	for _, s := range syscalls {
		if s.amd64 >= 0 {
			names = append(names, s.name)
		}
	}
	return names
}

// AllNames lists every system call known of any architecture, sorted.
func AllNames() []string {
	names := make([]string, len(syscalls))
	for i, s := range syscalls {
		names[i] = s.name
	}
	return names
}

// number gives the system call number of name on arch (a GOARCH).
func number(arch, name string) (int, bool) {
	i, ok := slices.BinarySearchFunc(syscalls, name, func(s syscall, name string) int {
		return strings.Compare(s.name, name)
	})
	if !ok {
		return 0, false
	}
	n := syscalls[i].amd64
	if arch == "arm64" {
		n = syscalls[i].arm64
	}
	return n, n >= 0
}

// syscall is one row of the number table; -1 where an architecture has none.
type syscall struct {
	name         string
	amd64, arm64 int
}

//go:generate go test -run ^TestNumbersFresh$ -update .
