package host

import (
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/severity"
)

// ids: who else has ids of the range that containers get could touch their files,
// and they his.
func ids(f Facts) []audit.Finding {
	c := check{"id-range", "the ids of containers", []int{5}}
	own := f.Host.IDs
	first, last := uint64(own.First), uint64(own.First)+uint64(own.Count)
	var out []audit.Finding
	for _, s := range f.SubIDs {
		if s.Owner != "safe-run" && s.Count > 0 && s.First < last && first < s.First+s.Count {
			out = append(out, c.bad(severity.High, trouble{
				fmt.Sprintf("%s gives %d:%d to %s, inside safe-run's %d:%d", s.File, s.First, s.Count, s.Owner, own.First, own.Count),
				"two who have the same ids can touch each other's files and processes",
				"give safe-run a range of its own: safe-run:FIRST:COUNT in /etc/subuid and /etc/subgid"}))
		}
	}
	if len(f.Accounts) > 0 {
		out = append(out, c.bad(severity.High, trouble{"accounts of this host have ids of safe-run's range: " + strings.Join(f.Accounts, ", "),
			"a container may run as them", "give safe-run another range in /etc/subuid and /etc/subgid"}))
	}
	if own.Count < spec.IDsPerContainer {
		out = append(out, c.bad(severity.High, trouble{fmt.Sprintf("safe-run has %d ids, and a container needs %d", own.Count, spec.IDsPerContainer),
			"no container can start", fmt.Sprintf("safe-run:%d:268304384 in /etc/subuid and /etc/subgid", 0x70000000)}))
	}
	if out == nil {
		out = append(out, c.fine("%d from %d on, room for %d containers, and nobody else has any of them", own.Count, own.First, own.Count/spec.IDsPerContainer))
	}
	return out
}

// sockets of container engines: whoever may write to one is root.
func sockets(f Facts) []audit.Finding {
	var out []audit.Finding
	for _, s := range f.Sockets {
		c := check{"engine-socket", "sockets of container engines", []int{18}}
		switch {
		case s.Missing:
		case s.Mode.Perm()&0o002 != 0:
			out = append(out, c.bad(severity.Critical, trouble{s.Path + " can be written by everybody", "whoever talks to it is root on the host", "chmod o-w " + s.Path}))
		case s.UID != 0:
			out = append(out, c.bad(severity.High, trouble{fmt.Sprintf("%s belongs to uid %d", s.Path, s.UID), "whoever talks to it is root on the host", "chown root " + s.Path}))
		case s.Mode.Perm()&0o020 != 0 && len(s.Members) > 0:
			out = append(out, c.bad(severity.Medium, trouble{fmt.Sprintf("the group %s may write to %s: %s", s.Group, s.Path, strings.Join(s.Members, ", ")),
				"each of them is root on the host, without a password", "gpasswd -d USER " + s.Group + ", for who does not need it"}))
		default:
			out = append(out, c.fine("%s is root's", s.Path))
		}
	}
	return out
}

// directories of safe-run's own, and what was left in them.
func directories(f Facts) []audit.Finding {
	c := check{"own-directories", "safe-run's own directories", []int{27}}
	var out []audit.Finding
	for _, d := range f.Dirs {
		switch {
		case d.Missing:
		case d.UID != 0:
			out = append(out, c.bad(severity.Critical, trouble{fmt.Sprintf("%s belongs to uid %d", d.Path, d.UID), "who owns it decides what runs as root", "chown root:root " + d.Path}))
		case d.Mode.Perm()&0o022 != 0:
			out = append(out, c.bad(severity.Critical, trouble{fmt.Sprintf("%s can be written by others (mode %04o)", d.Path, d.Mode.Perm()), "who writes there decides what runs as root", "chmod go-w " + d.Path}))
		default:
			out = append(out, c.fine("%s, mode %04o", d.Path, d.Mode.Perm()))
		}
	}
	left := check{"leftovers", "what killed launchers left", []int{25}}
	switch {
	case !f.Root:
		out = append(out, left.unknown("only root sees it"))
	case len(f.Dead) > 0:
		out = append(out, left.bad(severity.Low, trouble{fmt.Sprintf("%d sandboxes have no launcher any more: %s", len(f.Dead), strings.Join(f.Dead, ", ")),
			"their ids, addresses and control groups stay taken", "safe-run gc"}))
	default:
		out = append(out, left.fine("nothing"))
	}
	return out
}
