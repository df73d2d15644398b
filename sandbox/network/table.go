package network

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// tableName is the name of both tables. They are safe-run's alone.
const tableName = "safe-run"

// layout is counted up with each change of the shared rules. A sandbox adds
// itself to a map of that name, so that tables of another layout are found out
// and written again. The chain without rules marks the tables as ours.
const (
	layout      = "3"
	layoutChain = layoutMark + layout
	layoutMark  = "layout-"
)

var (
	inetTable   = &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	bridgeTable = &nftables.Table{Name: tableName, Family: nftables.TableFamilyBridge}
)

// batch is one transaction: all of it comes into being, or nothing.
type batch struct{ *nftables.Conn }

// netlinkTimeout bounds the wait for the kernel's answers. The library waits
// for one answer a message, and a kernel without nf_tables gives one in all.
const netlinkTimeout = 20 * time.Second

func newBatch() (batch, error) { return newBatchIn(nil) }

// newBatchIn keeps the batch's sockets open in kept, unless it is nil.
func newBatchIn(kept *sockets, more ...nftables.ConnOption) (batch, error) {
	conn, err := nftables.New(append(more, nftables.WithSockOptions(func(c *netlink.Conn) error {
		if err := kept.keep(c); err != nil {
			return err
		}
		// An answer is about 1 KiB of the buffer; its default is 208 KiB.
		if err := c.SetReadBuffer(16 << 20); err != nil {
			return err
		}
		if err := c.SetWriteBuffer(4 << 20); err != nil {
			return err
		}
		return c.SetDeadline(time.Now().Add(netlinkTimeout))
	}))...)
	if err != nil {
		return batch{}, explain(err, "open an nftables socket")
	}
	return batch{conn}, nil
}

// rule appends a rule. The comment tells a reader of nft list ruleset why it
// is there; the tests take rules out by it.
func (b batch) rule(t *nftables.Table, chain, comment string, e exprs) {
	b.AddRule(&nftables.Rule{
		Table: t, Chain: &nftables.Chain{Name: chain, Table: t}, Exprs: e,
		UserData: userdata.AppendString(nil, userdata.TypeComment, comment),
	})
}

// base adds a chain that the kernel calls. Its policy is accept: what is not
// about a sandbox is not for us to judge.
func (b batch) base(t *nftables.Table, name string, at hooked) {
	policy := nftables.ChainPolicyAccept
	b.AddChain(&nftables.Chain{
		Table: t, Name: name, Type: at.kind, Hooknum: at.hook, Priority: &at.priority, Policy: &policy,
	})
}

// hooked is where the kernel calls a chain.
type hooked struct {
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority nftables.ChainPriority
}

// chain adds a chain that rules jump to.
func (b batch) chain(t *nftables.Table, name string) *nftables.Chain {
	return b.AddChain(&nftables.Chain{Table: t, Name: name})
}

// ensureRules adds the rules of one sandbox; the shared ones when they are
// missing, be it that this is the first sandbox or that someone flushed the
// ruleset; and removes records of dead sandboxes that are in the way.
func (h *host) ensureRules(br bridge, rec record) error {
	// On a fresh bridge there are none: to be told so would take the kernel
	// 10 ms, in which it waits for what it undoes to be unused.
	err := error(unix.ENOENT)
	if !br.fresh {
		err = h.addRules(rec)
	}
	if !taken(err) && !gone(err) {
		return wrapRules(err)
	}
	if err := h.removeClashing(rec); err != nil {
		return err
	}
	if gone(err) {
		return h.writeRules(br)
	}
	return wrapRules(h.addRules(rec))
}

func wrapRules(err error) error {
	if err == nil {
		return nil
	}
	return explain(err, "write the packet filter rules of the sandbox")
}

func (h *host) addRules(rec record) error {
	b, err := newBatchIn(h.kept)
	if err != nil {
		return err
	}
	if err := b.sandbox(rec); err != nil {
		return err
	}
	return b.Flush()
}

// writeRules replaces both tables by the rules of every sandbox on record. In
// between nothing is open, as sandboxes without rules of their own reach
// nothing.
func (h *host) writeRules(br bridge) error {
	recs, err := h.records()
	if err != nil {
		return err
	}
	there, err := h.checkTables()
	if err != nil {
		return err
	}
	sh, err := h.loadShared()
	if err != nil {
		return err
	}
	b, err := newBatchIn(h.kept)
	if err != nil {
		return err
	}
	b.replaceTables(there)
	if err := b.sharedRules(br); err != nil {
		return err
	}
	if err := b.spoofRules(br); err != nil {
		return err
	}
	if err := b.guard(sh.Forwarding); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return explain(err, "write the packet filter tables %q", tableName)
	}
	for _, r := range recs {
		// Of two that clash one is dead, and has rules no more.
		if err := h.addRules(r); err != nil && !taken(err) {
			return explain(err, "write the packet filter rules of sandbox %.12s", r.ID)
		}
	}
	return nil
}

// rebuildRules writes the rules again from the records, if there are any.
func (h *host) rebuildRules() error {
	recs, err := h.records()
	if err != nil || len(recs) == 0 {
		return err
	}
	br, err := h.ensureBridge()
	if err != nil {
		return err
	}
	return h.writeRules(br)
}

// replaceTables leaves two empty tables. there are those that exist: to delete
// one that does not would take the kernel 10 ms all the same.
func (b batch) replaceTables(there []*nftables.Table) {
	for _, t := range []*nftables.Table{inetTable, bridgeTable} {
		if slices.Contains(there, t) {
			b.AddTable(t) // it may go in between
			b.DelTable(t)
		}
		b.AddTable(t)
		b.chain(t, layoutChain)
	}
}

// checkTables says which of the two tables are there. It refuses to touch tables
// that are not ours, and finds out about a kernel without nf_tables before a
// batch would wait for its answers.
func (h *host) checkTables() (there []*nftables.Table, err error) {
	b, err := newBatchIn(h.kept)
	if err != nil {
		return nil, err
	}
	for _, t := range []*nftables.Table{inetTable, bridgeTable} {
		chains, err := b.chainsOf(t)
		if err != nil {
			return nil, err
		}
		if len(chains) > 0 && !isOurs(chains) {
			return nil, problem.New("see nft list table "+familyName(t)+" "+tableName+", and rename or delete it",
				"the packet filter table %s %s exists and is not of safe-run", familyName(t), tableName)
		}
		all, err := b.ListTablesOfFamily(t.Family)
		if err != nil {
			return nil, explain(err, "list the packet filter's %s tables", familyName(t))
		}
		if slices.ContainsFunc(all, func(other *nftables.Table) bool { return other.Name == t.Name }) {
			there = append(there, t)
		}
	}
	return there, nil
}

func isOurs(chains []*nftables.Chain) bool {
	return slices.ContainsFunc(chains, func(c *nftables.Chain) bool {
		return strings.HasPrefix(c.Name, layoutMark)
	})
}

// deleteTables removes those of the tables that are there and ours.
func deleteTables() error {
	b, err := newBatch()
	if err != nil {
		return err
	}
	for _, t := range []*nftables.Table{inetTable, bridgeTable} {
		chains, err := b.chainsOf(t)
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil
		}
		if err != nil {
			return err
		}
		if isOurs(chains) {
			b.DelTable(t)
		}
	}
	if err := b.Flush(); err != nil && !gone(err) {
		return explain(err, "remove the packet filter tables %q", tableName)
	}
	return nil
}

// chainsOf lists the chains of a table; none when it does not exist.
func (b batch) chainsOf(t *nftables.Table) ([]*nftables.Chain, error) {
	chains, err := b.ListChainsOfTableFamily(t.Family)
	if errors.Is(err, unix.EINVAL) { // no one listens to messages for nf_tables
		return nil, problem.New("modprobe nf_tables, or use a kernel that has it", "this kernel has no nf_tables: %w", unix.EOPNOTSUPP)
	}
	if err != nil {
		return nil, explain(err, "list the packet filter's %s tables", familyName(t))
	}
	var own []*nftables.Chain
	for _, c := range chains {
		if c.Table.Name == t.Name {
			own = append(own, c)
		}
	}
	return own, nil
}

func familyName(t *nftables.Table) string {
	switch t.Family {
	case nftables.TableFamilyBridge:
		return "bridge"
	case nftables.TableFamilyINet:
		return "inet"
	}
	return "ip"
}
