package spec

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
)

// Landlock is what the kernel's Landlock lets the container do with files, behind
// mounts, owners and capabilities (landlock(7)). Whoever is under it mounts
// nothing, whatever is in here, and looks only into processes that are under
// the same rules. OCI has no word for it: the first process puts itself under
// it just before its program, and so does every further one.
type Landlock struct {
	// ABI is what this kernel knows; rights that are newer are not handled.
	ABI   int            `json:"abi"`
	Rules []LandlockRule `json:"rules"`
	// NoConnect and NoBind: no TCP connection is opened, and none taken.
	NoConnect bool `json:"noConnect,omitempty"`
	NoBind    bool `json:"noBind,omitempty"`
}

// LandlockRule gives rights to a path and all below it. What no rule gives is
// refused: outside of the root everything is.
type LandlockRule struct {
	Path   string   `json:"path"`
	Access []string `json:"access"`
	// Except are paths below Path that do not get them. Landlock takes nothing
	// back, so that the rights go to all else that is there at the start.
	Except []string `json:"except,omitempty"`
}

// The rights of a rule. Making devices has no name: nobody gets it.
const (
	LandlockRead    = "read"
	LandlockExecute = "execute"
	LandlockWrite   = "write" // into files, and to cut them
	LandlockMake    = "make"  // make, remove and move all but devices
	LandlockIoctl   = "ioctl" // ioctl(2) of devices
)

// LandlockSince is the first ABI whose rules let a file be moved from one
// directory to another (LANDLOCK_ACCESS_FS_REFER): with an older one, whatever
// its rules, nobody may.
const LandlockSince = 2

// LandlockMostNames bounds how many names of one directory are given rights, each
// for itself, for the sake of Except; where there are more, or where they cannot be
// listed, the directory itself gets them.
const LandlockMostNames = 512

// mounting are the calls that a container under Landlock cannot use.
var mounting = []string{"mount", "move_mount", "umount2", "pivot_root"}

// landlock makes the rules from the mounts.
func (c *compiler) landlock() error {
	return c.landlockOf(c.plan.OCI.Mounts, c.plan.Rootfs.ReadOnly)
}

func (c *compiler) landlockOf(mounts []specs.Mount, readOnly bool) error {
	const setting = "landlock"
	i := slices.IndexFunc(mounting, c.allowsSyscall)
	switch {
	case slices.ContainsFunc(c.in.Profile.Accept, func(a profiles.Accept) bool { return a.Name == profiles.WeakLandlock }):
		if !slices.Contains(c.plan.Accepted, profiles.WeakLandlock) {
			c.plan.Accepted = append(c.plan.Accepted, profiles.WeakLandlock)
		}
		at := entry("accept", profiles.WeakLandlock)
		c.decide(Decision{
			Setting: setting, Value: "off", Source: c.source(at), Why: c.why(at, ""), Weakens: meaning(profiles.WeakLandlock),
		})
		return nil
	case i >= 0:
		c.decide(Decision{
			Setting: setting, Value: "off", Source: c.source("seccomp.allow"),
			Why: mounting[i] + " is allowed, which nobody may under Landlock", Weakens: meaning(profiles.WeakLandlock),
		})
		return nil
	case c.in.Host.Landlock < LandlockSince:
		c.decide(Decision{
			Setting: setting, Value: "without", Source: fromHost,
			Why: "this kernel has no Landlock that could be used (Linux 5.19); mounts and filter hold alone",
		})
		return nil
	case c.lost.has(profiles.WeakSeccomp):
		c.decide(Decision{
			Setting: setting, Value: "without", Source: c.source(entry("accept", profiles.WeakSeccomp)),
			Why: "the kernel would be told of it where a filter is made, and there is none", Weakens: meaning(profiles.WeakLandlock),
		})
		return nil
	}
	offline := !slices.ContainsFunc([]string{"AF_INET", "AF_INET6"}, c.allowsFamily)
	c.plan.Landlock = &Landlock{
		ABI: c.in.Host.Landlock, Rules: landlockRules(mounts, readOnly),
		NoConnect: offline || c.inbound, NoBind: offline,
	}
	why := "the kernel holds to it as well, should a mount be other than it ought to be; nothing is ever mounted, and no device made"
	if slices.ContainsFunc(c.plan.Landlock.Rules, func(r LandlockRule) bool { return len(r.Except) > 0 }) {
		why += fmt.Sprintf("; noexec holds alone below a directory of the image that has more than %d names, or that its user cannot list", LandlockMostNames)
	}
	c.decide(Decision{Setting: setting, Value: c.plan.Landlock.summary(), Source: fromSafeRun, Why: why})
	return nil
}

// summary is what the rules come to, for people.
func (l *Landlock) summary() string {
	var write []string
	for _, r := range l.Rules {
		if slices.Contains(r.Access, LandlockMake) {
			write = append(write, r.Path)
		}
	}
	return "files change only below " + listOr(write, "nothing")
}

// landlockRules say once more what mounts, and a root, say.
func landlockRules(mounts []specs.Mount, readOnly bool) []LandlockRule {
	rules := map[string][]string{"/": {LandlockRead}}
	give := func(path string, access ...string) { rules[path] = append(rules[path], access...) }
	var noexec []string
	for _, m := range mounts {
		if slices.Contains(m.Options, "noexec") || m.Type == "proc" || m.Type == "sysfs" {
			noexec = append(noexec, m.Destination)
		} else {
			give(m.Destination, LandlockExecute)
		}
		switch {
		case slices.Contains(m.Options, "ro") || slices.Contains(m.Options, "rro") || m.Type == "sysfs":
		case m.Type == "proc": // processes have files there that are theirs
			give(m.Destination, LandlockWrite)
		case m.Destination == "/dev" || m.Type == "devpts":
			give(m.Destination, LandlockWrite, LandlockMake, LandlockIoctl)
		default:
			give(m.Destination, LandlockWrite, LandlockMake)
		}
	}
	var out []LandlockRule
	if readOnly {
		out = append(out, LandlockRule{Path: "/", Access: []string{LandlockExecute}, Except: outermost(noexec)})
	} else {
		// What is made later has to have the same rights, and no exceptions.
		give("/", LandlockExecute, LandlockWrite, LandlockMake)
	}
	for path, access := range rules {
		slices.Sort(access)
		out = append(out, LandlockRule{Path: path, Access: slices.Compact(access)})
	}
	slices.SortFunc(out, func(a, b LandlockRule) int {
		if order := strings.Compare(a.Path, b.Path); order != 0 {
			return order
		}
		return len(a.Except) - len(b.Except)
	})
	return out
}

// outermost leaves out what lies below another.
func outermost(paths []string) []string {
	var out []string
	for _, p := range paths {
		if !slices.ContainsFunc(paths, func(dir string) bool { return below(p, dir) }) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// allowsFamily reports whether the filter lets sockets of a family be made.
func (c *compiler) allowsFamily(name string) bool {
	return slices.Contains(c.seccompPolicy().Families, name)
}

// landlock: nothing is given that no rule of a plan would give.
func (v *validator) landlock() {
	l := v.plan.Landlock
	if l == nil {
		return
	}
	known := []string{LandlockRead, LandlockExecute, LandlockWrite, LandlockMake, LandlockIoctl}
	v.must(l.ABI >= LandlockSince, "Landlock's ABI %d cannot be used", l.ABI)
	v.must(v.plan.OCI.Linux.Seccomp != nil, "Landlock without a filter")
	for _, r := range l.Rules {
		v.must(strings.HasPrefix(r.Path, "/"), "Landlock's path %q is not absolute", r.Path)
		for _, a := range r.Access {
			v.must(slices.Contains(known, a), "Landlock has no right %q", a)
		}
		writes := slices.Contains(r.Access, LandlockMake) || slices.Contains(r.Access, LandlockWrite)
		v.must(!writes || r.Path != "/" || !v.plan.Rootfs.ReadOnly, "Landlock lets a read-only root be written")
		v.must(!writes || r.Path == "/" || slices.ContainsFunc(v.plan.OCI.Mounts, func(m specs.Mount) bool { return m.Destination == r.Path }),
			"Landlock lets %s be written, where nothing is mounted", r.Path)
	}
}
