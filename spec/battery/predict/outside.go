package predict

import (
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
)

// noConnect: no TCP connection is opened (from Landlock's fourth version on).
func noConnect(s *scene) []battery.Stop {
	if l := s.plan.Landlock; l == nil || !l.NoConnect || l.ABI < 4 {
		return nil
	}
	return stop(battery.Landlock, "EACCES")
}

// noWay: no address of the host itself is reached, whatever a profile's egress is.
// Its rules are of addresses and never of names, so that a name which means another
// address later is no way around them.
func noWay(s *scene) []battery.Stop {
	if s.plan.Network.Mode == spec.NetworkNone {
		return stop(battery.Namespaces, "ENETUNREACH", "EHOSTUNREACH")
	}
	return stop(battery.Network, "ETIMEDOUT", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM")
}
