package seccomp

import (
	"slices"
	"strings"
)

// about is one row of the table of what system calls are for.
type about struct{ name, since, purpose string }

// About is what there is to know of one system call beside any policy.
type About struct {
	Name    string
	Purpose string
	// Since is the kernel that first had it; empty for a number that was kept
	// for something that never came.
	Since string
	// Answer is what a program gets that calls it without leave: EPERM or ENOSYS.
	Answer string
	// Risk is why it is dangerous, or why it cannot be allowed at all; empty for
	// most calls.
	Risk string
	// Never says that no policy can allow it.
	Never bool
	// Rule is what a filter asks of its arguments when a policy allows it; empty
	// for most calls.
	Rule string
	// Groups are those that hold it.
	Groups []string
}

// Describe says what there is to know of a system call.
func Describe(name string) (About, bool) {
	i, ok := slices.BinarySearchFunc(abouts, name, func(a about, name string) int { return strings.Compare(a.name, name) })
	if !ok {
		return About{}, false
	}
	out := About{Name: name, Purpose: abouts[i].purpose, Since: abouts[i].since, Answer: "ENOSYS"}
	if why, dangerous := Denied(name); dangerous {
		out.Answer, out.Risk = "EPERM", why
	} else if slices.Contains(Group{Sets: privileged}.members(), name) {
		out.Answer = "EPERM"
	}
	if why, never := Unfilterable(name); never {
		out.Risk, out.Never = why+", and a filter cannot see them", true
	}
	if r, ok := ruleFor(filtered(Policy{Arch: "amd64"}), name); ok {
		out.Rule = r.why
	}
	for _, g := range groups {
		if slices.Contains(g.members(), name) {
			out.Groups = append(out.Groups, g.Name)
		}
	}
	slices.Sort(out.Groups)
	return out, true
}

// Number is the number of a system call on an architecture (a GOARCH).
func Number(arch, name string) (int, bool) { return number(arch, name) }
