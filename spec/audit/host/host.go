// Package host judges a host: whether it can hold a sandbox, what weakens it, and
// what is to be done next. It computes; sandbox/doctor looks.
package host

import (
	"fmt"
	"io/fs"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/severity"
)

// Facts are what was seen of a host.
type Facts struct {
	Host spec.Host
	// Root: who looks is root. Others cannot see all of it.
	Root bool
	// Notify: filters can report to a listener (seccomp_unotify(2), 5.0; what
	// safe-run uses of it is from 5.9 on).
	Notify spec.Tri
	// Landlock is the ABI's version, 0 where there is none, -1 where nobody knows.
	Landlock int
	// Guard is the state of the BPF programs that an administrator can switch on.
	Guard Guard
	// Sysctls by name: those that there are.
	Sysctls map[string]string
	// Favordynmods: cgroup version 2 is mounted so that processes join groups
	// quickly (6.0).
	Favordynmods spec.Tri
	// SubIDs are the ranges of /etc/subuid and /etc/subgid.
	SubIDs []SubID
	// Accounts are the ids of accounts that lie in safe-run's own range.
	Accounts []string
	Runtimes []Runtime
	Sockets  []File
	// Dirs are safe-run's own.
	Dirs []File
	// Dead are sandboxes whose launcher is gone.
	Dead []string
}

// Guard is whether the guard is on, or could be, or why it cannot, and what to do
// about it.
type Guard struct {
	On, Possible bool
	Why, Mend    string
}

// SubID is a line of /etc/subuid or /etc/subgid.
type SubID struct {
	File, Owner  string
	First, Count uint64
}

// Runtime is a container runtime that is installed.
type Runtime struct {
	Name, Path string
	// Version is as it says itself; empty when it did not, and Problem says why.
	Version, Problem string
}

// File is one file or directory.
type File struct {
	Path     string
	Missing  bool
	Mode     fs.FileMode
	UID, GID uint32
	// Group is the group's name, and Members who is in it besides root.
	Group   string
	Members []string
}

// check is one thing that was looked at.
type check struct {
	id, title string
	controls  []int
}

func (c check) finding(v audit.Verdict, what string) audit.Finding {
	return audit.Finding{Rule: c.id, Title: c.title, Controls: append([]int{}, c.controls...), Verdict: v, What: what}
}

func (c check) fine(format string, args ...any) audit.Finding {
	return c.finding(audit.Holds, fmt.Sprintf(format, args...))
}

func (c check) unknown(format string, args ...any) audit.Finding {
	return c.finding(audit.CannotTell, fmt.Sprintf(format, args...))
}

// trouble is what is to be mended: what it is, why it matters, the next step.
type trouble struct{ what, why, mend string }

func (c check) bad(s severity.Severity, t trouble) audit.Finding {
	f := c.finding(audit.Violated, t.what)
	f.Severity, f.Why, f.Mend = s, t.why, t.mend
	return f
}

// Judge gives the findings on a host, in the order of a walk from the kernel up.
func Judge(f Facts) []audit.Finding {
	var out []audit.Finding
	for _, part := range []func(Facts) []audit.Finding{kernel, cgroups, sysctls, ids, runtimes, sockets, directories} {
		out = append(out, part(f)...)
	}
	return out
}

// feature judges something that the kernel has or lacks.
func (c check) feature(has spec.Tri, good string, s severity.Severity, t trouble) audit.Finding {
	switch has {
	case spec.Yes:
		return c.fine("%s", good)
	case spec.No:
		return c.bad(s, t)
	}
	return c.unknown("whether the kernel has it could not be found out")
}
