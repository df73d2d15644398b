package systemd

import (
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
)

// lose notes what a unit cannot say.
func lose(s *export.Subject) {
	s.LoseChecks("systemd")
	p, l := s.Profile, s.Losses
	l.Weaker("userNamespace", "ids of its own", "the program runs as this user of the host, and sees the host's files that this user may read", "give it a user of its own, or run it in a container")
	l.Weaker("pidNamespace", "processes of its own", "the program is one of the host's processes; ProtectProc=invisible hides those of other users", "run it in a container")
	l.Different("process.userFrom", string(*p.Process.UserFrom), "there is no image that could name a user", "nothing to do")
	if s.UID != 0 {
		l.Different("process.runAsUser", fmt.Sprintf("runAsUser %d, runAsGroup %d", s.UID, s.GID), "systemd starts nothing as a user that the host does not know, not even by number", makeUser(s))
	}
	if s.Init {
		l.Different("process.init", "true", "systemd reaps what the program leaves behind, and ends it with the unit", "nothing to do")
	}
	if !s.ReadOnly {
		l.Different("rootfs.readOnly", "false", "the host's /usr, /boot and /etc stay read-only, and the rest is the host's own", "name what is written in ReadWritePaths=")
	}
	if p.Rootfs.Size != nil {
		l.Weaker("rootfs.size", p.Rootfs.Size.String(), "what is written outside of memory filesystems is not bounded", "use quotas")
	}
	l.Different("seccomp.allow", "", "names of x86-64, and no rules about arguments: no setuid bits and kinds of terminals are not looked at; all that is refused fails with ENOSYS; a call of another architecture ends the thread", "run it in a container")
	if h := s.HealthText(); h != "" {
		l.Missing("health", h, "systemd checks nothing by itself", "use WatchdogSec= where the program knows it, or a timer")
	}
	l.Different("paths", "", "what is masked is refused (EACCES), where safe-run shows something empty; a path whose mount fails is left as it is", "look with systemd-analyze security")
	network(s)
}

func network(s *export.Subject) {
	n, l := s.Profile.Network, s.Losses
	start := int64(1024)
	if n.UnprivilegedPortStart != nil {
		start = *n.UnprivilegedPortStart
	}
	l.Different("network.unprivilegedPortStart", fmt.Sprint(start), "it is the host's own setting", "use a socket unit, or sysctl net.ipv4.ip_unprivileged_port_start")
	if !s.Connected {
		return
	}
	var rules []string
	for _, e := range n.Egress {
		rules = append(rules, e.String())
	}
	l.Weaker("network.mode", "bridge", "the program has the host's network, with what listens on 127.0.0.1 only", "run it in a container")
	l.Weaker("network.egress", strings.Join(rules, "; "), "addresses are filtered without their ports and in both directions, and not at all where a port is published; the internet is no list of addresses and is refused",
		"write IPAddressAllow= with who is to be reached and served")
}
