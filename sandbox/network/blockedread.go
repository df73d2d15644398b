package network

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// Blocked gives what sandbox id was refused so far, in the order of its first
// packets. It needs no lock, and there is nothing to give when the sandbox has
// no rules.
func Blocked(id string) ([]spec.Blocked, error) {
	if !validID(id) {
		return nil, errID(id)
	}
	b, err := newBatch()
	if err != nil {
		return nil, err
	}
	since, counts := blockedSets(id)
	all, err := b.GetSetElements(counts)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err, "read what sandbox %.12s was refused", id)
	}
	if len(all) == 0 {
		return nil, nil
	}
	begun, err := b.GetSetElements(since)
	if err != nil && !missing(err) {
		return nil, explain(err, "read what sandbox %.12s was refused", id)
	}
	now := time.Now().UTC()
	out := blockedOf(all, begun, now)
	places, err := localPlaces()
	for i := range out {
		// What was refused is known all the same.
		if out[i].Place = spec.PlaceUnknown; err == nil {
			out[i].Place = places.of(out[i].To.Addr())
		}
	}
	if len(all) < mostBlocked {
		return out, nil
	}
	more, err := b.moreBlocked(blockedName(id), now)
	return append(out, more...), err
}

// missing says that a listing failed for there being no such table, set or chain.
// The library gives the kernel's answer as text.
func missing(err error) bool {
	return gone(err) || err != nil && strings.HasSuffix(err.Error(), unix.ENOENT.Error())
}

// blockedOf puts together what the two sets of a sandbox say at a moment.
func blockedOf(counts, since []nftables.SetElement, now time.Time) []spec.Blocked {
	first := map[string]time.Duration{}
	for _, e := range since {
		first[string(e.Key)] = age(e)
	}
	seen := map[string]bool{} // a listing may have an element twice
	var out []spec.Blocked
	for _, e := range counts {
		to, proto, ok := destinationOf(e.Key)
		if !ok || e.Counter == nil || e.Counter.Packets == 0 || seen[string(e.Key)] {
			continue
		}
		seen[string(e.Key)] = true
		last := age(e)
		out = append(out, spec.Blocked{
			To: to, Protocol: proto, Count: e.Counter.Packets,
			First: now.Add(-max(first[string(e.Key)], last)), Last: now.Add(-last),
		})
	}
	slices.SortFunc(out, func(a, b spec.Blocked) int {
		if c := a.First.Compare(b.First); c != 0 {
			return c
		}
		if c := a.To.Compare(b.To); c != 0 {
			return c
		}
		return int(a.Protocol) - int(b.Protocol)
	})
	return out
}

// age is how long ago an element was made or, in a set that is updated, met.
func age(e nftables.SetElement) time.Duration {
	if e.Expires <= 0 || e.Expires > kept {
		return 0
	}
	return kept - e.Expires
}

// moreBlocked reads the counters of what had no room.
func (b batch) moreBlocked(chain string, now time.Time) (out []spec.Blocked, err error) {
	rules, err := b.GetRules(inetTable, &nftables.Chain{Name: chain, Table: inetTable})
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err, "read what was refused: %s", chain)
	}
	for _, r := range rules {
		place := spec.PlaceMany
		switch comment, _ := userdata.GetString(r.UserData, userdata.TypeComment); comment {
		case moreLinkLocal:
			place = spec.PlaceManyLinkLocal
		case moreBlocked:
		default:
			continue
		}
		for _, e := range r.Exprs {
			c, ok := e.(*expr.Counter)
			if !ok || c.Packets == 0 {
				continue
			}
			if at := slices.IndexFunc(out, func(b spec.Blocked) bool { return b.Place == place }); at >= 0 {
				out[at].Count += c.Packets
				continue
			}
			out = append(out, spec.Blocked{Place: place, Count: c.Packets, First: now, Last: now})
		}
	}
	return out, nil
}

// places are the addresses that are near.
type places struct {
	host  []netip.Addr
	boxes netip.Prefix // the bridge's subnet
}

// localPlaces reads the host's addresses.
func localPlaces() (p places, err error) {
	addrs, err := whole(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return p, explain(err, "list the host's addresses")
	}
	for _, a := range addrs {
		prefix := toPrefix(a.IPNet)
		if !prefix.IsValid() {
			continue
		}
		p.host = append(p.host, prefix.Addr())
		if a.Label == bridgeName {
			p.boxes = prefix.Masked()
		}
	}
	return p, nil
}

func (p places) of(a netip.Addr) spec.Place {
	switch {
	case slices.Contains(p.host, a):
		return spec.PlaceHost
	case p.boxes.IsValid() && p.boxes.Contains(a):
		return spec.PlaceSandbox
	}
	return spec.PlaceElsewhere
}
