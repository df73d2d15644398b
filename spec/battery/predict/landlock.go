package predict

import (
	"slices"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
)

// landlocked is what Landlock refuses to all who are under it, whatever its
// rules: to mount, to unmount, to move mounts and the root (hook_sb_mount() and
// those after it in security/landlock/fs.c).
func landlocked(s *scene) []battery.Stop {
	if s.plan.Landlock == nil {
		return nil
	}
	return stop(battery.Landlock, "EPERM")
}

// noRule: no rule of Landlock's gives a right to a path.
func noRule(right, at string) layer {
	return func(s *scene) []battery.Stop {
		if s.plan.Landlock == nil || slices.ContainsFunc(s.plan.Landlock.Rules, func(r spec.LandlockRule) bool { return gives(r, right, at) }) {
			return nil
		}
		return stop(battery.Landlock, "EACCES")
	}
}

// gives says whether a rule gives a right to a path.
func gives(r spec.LandlockRule, right, at string) bool {
	under := r.Path == "/" || within(at, r.Path)
	return under && slices.Contains(r.Access, right) &&
		!slices.ContainsFunc(r.Except, func(dir string) bool { return within(at, dir) })
}

// noDevices: nobody makes devices under Landlock.
func noDevices(s *scene) []battery.Stop {
	if s.plan.Landlock == nil {
		return nil
	}
	return stop(battery.Landlock, "EACCES")
}

// noTCP: no port is bound (from Landlock's fourth version on).
func noTCP(s *scene) []battery.Stop {
	if l := s.plan.Landlock; l == nil || !l.NoBind || l.ABI < 4 {
		return nil
	}
	return stop(battery.Landlock, "EACCES")
}

// restricted is a sysctl of the host that leaves a call to its administrator.
func restricted(key, errno string, values ...string) layer {
	return func(s *scene) []battery.Stop {
		if !slices.Contains(values, s.host.Restrictions[key]) {
			return nil
		}
		return stop(battery.HostSysctls, errno)
	}
}

// ownAbstract: abstract sockets of others are not connected to (from Landlock's
// sixth version on, LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET).
func ownAbstract(s *scene) []battery.Stop {
	if l := s.plan.Landlock; l == nil || l.ABI < 6 {
		return nil
	}
	return stop(battery.Landlock, "EPERM")
}
