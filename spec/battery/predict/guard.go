package predict

import (
	"slices"

	"github.com/safe-run/safe-run/spec/battery"
)

// guarded is a class of the guard's: refused where the kernel is about to do it.
func guarded(class string) layer {
	return func(s *scene) []battery.Stop {
		return s.guard(s.plan.Guard != nil && slices.Contains(s.plan.Guard.Deny, class))
	}
}

// noPath is a path of /proc or /sys that the guard lets nobody open, whatever is
// mounted on it.
func noPath(at string) layer {
	return func(s *scene) []battery.Stop {
		return s.guard(s.plan.Guard != nil && slices.ContainsFunc(s.plan.Guard.Paths, func(dir string) bool { return within(at, dir) }))
	}
}

// noFamily is an address family that no socket is made of.
func noFamily(family uint32) layer {
	return func(s *scene) []battery.Stop {
		return s.guard(s.plan.Guard != nil && slices.Contains(s.plan.Guard.Families, family))
	}
}

// noProtocol is a protocol of netlink.
func noProtocol(protocol uint32) layer {
	return func(s *scene) []battery.Stop {
		return s.guard(s.plan.Guard != nil && slices.Contains(s.plan.Guard.Netlink, protocol))
	}
}

func (s *scene) guard(refuses bool) []battery.Stop {
	if !refuses {
		return nil
	}
	return stop(battery.Guard, "EPERM")
}

// sockets are attacks of one socket each. The guard is asked before a family looks
// at capabilities (__sock_create() in net/socket.c), and before the kernel says
// that it has none.
func sockets(list ...call) parts {
	var out parts
	for _, c := range list {
		p := part{calls: []call{c}, then: []layer{noFamily(uint32(c.args[0]))}}
		if c.args[0] == 16 {
			p.then = append(p.then, noProtocol(uint32(c.args[2])))
		}
		out = append(out, p)
	}
	return out
}

// parts is what an attack consists of.
type parts []part

// then adds what the kernel asks afterwards, of each.
func (list parts) then(more ...layer) []part {
	for i := range list {
		list[i].then = append(list[i].then, more...)
	}
	return list
}
