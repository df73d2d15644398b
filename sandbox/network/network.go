// Package network carries out the network part of a plan for one sandbox.
//
// A sandbox in mode none has nothing but its loopback interface. A sandbox in
// mode bridge gets an interface eth0 whose other end is a port of the bridge
// saferun0, an address by its slot, and exactly what its plan lists: published
// ports inwards, egress outwards. Everything else is closed, in this order of
// layers:
//
//   - the bridge's ports are isolated, and what they send is checked against
//     the sandbox's own addresses (table bridge safe-run, spoof.go);
//   - nothing from a sandbox reaches the host itself, another sandbox or a
//     link-local address, whatever the plan says (table inet safe-run,
//     rules.go);
//   - forwarding is on only on the interfaces that need it, and those forward
//     for sandboxes only (forward.go).
//
// IPv4 only: IPv6 is switched off on every interface made here.
//
// What the sandboxes of a host share (bridge, tables, sysctls) is made by the
// first and removed by the last, under a lock. Each sandbox is on record in the
// state directory before anything of it is made, so that Remove works after a
// crash at any point. One state directory serves one network namespace.
//
// Everything here runs in the host's network namespace and needs CAP_NET_ADMIN
// and CAP_SYS_ADMIN.
package network

import (
	"context"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Config says which sandbox is connected, and how.
type Config struct {
	ID      string       // the sandbox's id, 64 hexadecimal digits
	Slot    int          // 0 to 4093, unique among live sandboxes; gives the address
	Network spec.Network // Publish must have its host ports chosen: see Reserve
	State   string       // directory of the records, such as /run/safe-run
}

// Attachment is the network of one sandbox.
type Attachment struct {
	state, id string // empty id: nothing was made on the host
	kept      sockets
}

// Attach connects the network namespace of process pid. On an error nothing
// is left. The namespace may belong to another user namespace.
func Attach(ctx context.Context, cfg Config, pid int) (*Attachment, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	ns, err := openNamespace(pid)
	if err != nil {
		return nil, err
	}
	defer ns.close()
	if err := ns.loopbackUp(); err != nil {
		return nil, err
	}
	if cfg.Network.Mode == spec.NetworkNone {
		return &Attachment{}, nil
	}
	s, err := openHost(ctx, cfg.State)
	if err != nil {
		return nil, err
	}
	defer s.close()
	a := &Attachment{state: cfg.State, id: cfg.ID}
	s.kept = &a.kept
	if err := s.attach(cfg, ns); err != nil {
		left := s.remove(cfg.ID)
		a.kept.close() // those of remove as well
		if left != nil {
			return nil, problem.New(problem.HintOf(err), "%w; and what was made could not be removed: %v", err, left)
		}
		return nil, err
	}
	a.kept.closeLater()
	return a, nil
}

// Detach removes what Attach made. It may be called more than once.
func (a *Attachment) Detach() error {
	a.kept.close()
	if a.id == "" {
		return nil
	}
	return Remove(a.state, a.id)
}

// Remove removes what is left of the network of sandbox id. It needs nothing
// but the records in state, and it is no error when there is nothing left.
func Remove(state, id string) error {
	if !validID(id) {
		return errID(id)
	}
	s, err := openHost(context.Background(), state)
	if err != nil {
		return err
	}
	defer s.close()
	return s.remove(id)
}

// Sweep removes the network of every sandbox that live does not know. live is
// asked under the lock that Attach takes, so that it must look at the present
// state of a sandbox, not at a list made before.
func Sweep(state string, live func(id string) bool) error {
	s, err := openHost(context.Background(), state)
	if err != nil {
		return err
	}
	defer s.close()
	return s.sweep(live)
}
