package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// host is this side of all sandboxes, held under the lock.
type host struct {
	ctx  context.Context
	dir  string // the records
	nl   *netlink.Handle
	lock *os.File
	kept *sockets // nil: they are closed after each use
}

// openHost takes the lock. The caller closes the host again.
func openHost(ctx context.Context, state string) (*host, error) {
	dir := filepath.Join(state, "network")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, problem.New("run safe-run as root", "make the network records: %w", err)
	}
	lock, err := takeLock(ctx, filepath.Join(state, "network.lock"))
	if err != nil {
		return nil, err
	}
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		lock.Close()
		return nil, explain(err, "open a netlink socket")
	}
	return &host{ctx: ctx, dir: dir, nl: nl, lock: lock}, nil
}

func (h *host) close() {
	h.nl.Close()
	h.lock.Close()
}

// takeLock waits for the lock until ctx ends. The lock belongs to the open
// file, so that it ends with this process however it ends.
func takeLock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, problem.New("run safe-run as root", "open the network lock: %w", err)
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		return f, nil
	}
	done := make(chan error, 1)
	go func() {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		for errors.Is(err, unix.EINTR) {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		return f, nil
	case <-ctx.Done():
		// The goroutine still waits on the descriptor: it must not be
		// reused before, so that it is closed behind it.
		go func() { <-done; f.Close() }()
		return nil, problem.New("another safe-run holds it: fuser "+path, "wait for the network lock: %w", ctx.Err())
	}
}

// attach makes everything of one sandbox. The record comes first and the
// interface goes up last: before the rules are there, nothing can be sent.
func (h *host) attach(cfg Config, ns *namespace) error {
	if err := h.remove(cfg.ID); err != nil { // what a failed attempt left
		return err
	}
	if err := h.unlink(idleName); err != nil {
		return err
	}
	br, err := h.ensureBridge()
	if err != nil {
		return err
	}
	rec := record{ID: cfg.ID, Slot: cfg.Slot, Address: br.address(cfg.Slot), Network: cfg.Network}
	if err := h.save(rec); err != nil {
		return err
	}
	if err := h.ensureRules(br, rec); err != nil {
		return err
	}
	mtu := defaultMTU
	if forwards(cfg.Network) {
		if mtu, err = h.ensureForwarding(br); err != nil {
			return err
		}
	}
	if err := h.ctx.Err(); err != nil {
		return fmt.Errorf("attach the network: %w", err)
	}
	if err := flushStale(rec); err != nil {
		return err
	}
	return h.connect(rec, br, ns, mtu)
}

// remove removes one sandbox, and what is shared when it was the last.
func (h *host) remove(id string) error {
	rec, found, broken := h.load(id)
	cut, err := h.deleteLink(linkName(id))
	if err != nil {
		return err
	}
	switch {
	case found:
		err = h.removeTraces(rec)
	case cut || broken != nil:
		// Someone deleted the record, or spoilt it: what else there was is
		// known only by not being on any other record.
		err = errors.Join(h.forget(id), h.rebuildRules())
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if err := h.forget(id); err != nil {
		return err
	}
	return h.teardown()
}

// removeTraces removes what there is beside the interface, which is gone, or has
// no owner any more and is let send nothing. Rules and connections take the
// kernel some 10 ms each, in which it waits, so that they go together.
func (h *host) removeTraces(rec record) error {
	flows := make(chan error, 1)
	go func() { flows <- forgetFlows(rec) }()
	return errors.Join(h.removeRules(rec), h.removeNeighbour(rec), <-flows)
}

// sweep removes every sandbox that is not live, and ports without a record.
func (h *host) sweep(live func(id string) bool) error {
	ids, err := h.ids()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !live(id) {
			err = errors.Join(err, h.remove(id))
		}
	}
	return errors.Join(err, h.removeOrphans(), h.teardown())
}

// teardown removes what is shared when no sandbox is left. The sysctls go
// back first: while a foreign interface forwards, its guard must stand.
func (h *host) teardown() error {
	ids, err := h.ids()
	if err != nil || len(ids) > 0 {
		return err
	}
	busy, err := h.bridgeBusy()
	if err != nil || busy {
		return err
	}
	if err := h.restoreForwarding(); err != nil {
		return err
	}
	if err := h.unlink(idleName); err != nil {
		return err
	}
	tables := make(chan error, 1)
	go func() { tables <- deleteTables() }()
	if err := errors.Join(h.deleteBridge(), <-tables); err != nil {
		return err
	}
	return h.forgetShared()
}
