package profiles

import (
	"net/netip"
	"slices"
	"strings"
)

// reach is what a list of rules allows, in the one form that it has: runs of
// neighbouring addresses with the ports that are open on them, in order.
type reach []run

type run struct {
	first, last netip.Addr
	ports       string // ranges with commas; allPorts when nothing is closed
}

const allPorts = "*"

// reachOf computes what rules allow. Rules that cannot be read allow nothing.
func reachOf(rules []Egress) reach {
	var open []openRange
	for _, rule := range rules {
		open = append(open, rangesOf(rule)...)
	}
	var out reach
	for _, cell := range cells(open) {
		var ports []PortRange
		every, some := false, false
		for _, o := range open {
			if o.first.Compare(cell.first) <= 0 && cell.last.Compare(o.last) <= 0 {
				some, every = true, every || o.ports == nil
				ports = append(ports, o.ports...)
			}
		}
		if !some {
			continue
		}
		cell.ports = allPorts
		if !every {
			cell.ports = strings.Join(portStrings(joinPorts(ports)), ",")
		}
		if n := len(out); n > 0 && out[n-1].ports == cell.ports && out[n-1].last.Next() == cell.first {
			out[n-1].last = cell.last
			continue
		}
		out = append(out, cell)
	}
	return out
}

// openRange is a run of addresses that one rule opens.
type openRange struct {
	first, last netip.Addr
	ports       []PortRange // nil is every port
}

func rangesOf(rule Egress) []openRange {
	spans, err1 := rule.Spans()
	ports, err2 := rule.PortRanges()
	if err1 != nil || err2 != nil {
		return nil
	}
	var out []openRange
	for _, s := range spans {
		for _, p := range subtract(s.Prefix, s.Except) {
			out = append(out, openRange{p.Addr(), lastOf(p), ports})
		}
	}
	return out
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// cells cuts the addresses at every place where a range begins or ends.
func cells(open []openRange) []run {
	var firsts, lasts []netip.Addr
	for _, o := range open {
		firsts, lasts = append(firsts, o.first), append(lasts, o.last)
		if next := o.last.Next(); next.IsValid() {
			firsts = append(firsts, next)
		}
		if before := o.first.Prev(); before.IsValid() {
			lasts = append(lasts, before)
		}
	}
	slices.SortFunc(firsts, netip.Addr.Compare)
	firsts = slices.Compact(firsts)
	slices.SortFunc(lasts, netip.Addr.Compare)
	lasts = slices.Compact(lasts)
	var out []run
	j := 0
	for _, first := range firsts {
		for j < len(lasts) && lasts[j].Less(first) {
			j++
		}
		if j < len(lasts) && lasts[j].BitLen() == first.BitLen() {
			out = append(out, run{first: first, last: lasts[j]})
		}
	}
	return out
}

// rules writes a reach as the fewest rules that have exactly one prefix each.
func (r reach) rules() []Egress {
	out := []Egress{}
	for _, run := range r {
		var ports []string
		if run.ports != allPorts {
			ports = strings.Split(run.ports, ",")
		}
		for first := run.first; first.IsValid() && first.Compare(run.last) <= 0; {
			p := widest(first, run.last)
			out = append(out, Egress{To: p.String(), Ports: ports})
			first = lastOf(p).Next()
		}
	}
	return out
}

// widest is the largest prefix that begins at first and does not pass last.
func widest(first, last netip.Addr) netip.Prefix {
	best := netip.PrefixFrom(first, first.BitLen())
	for bits := first.BitLen() - 1; bits >= 0; bits-- {
		p := netip.PrefixFrom(first, bits)
		if p.Masked().Addr() != first || last.Less(lastOf(p)) {
			break
		}
		best = p
	}
	return best
}

// reachHolds reports whether rules allow all that rule does.
func reachHolds(rules []Egress, rule Egress) bool {
	return slices.Equal(reachOf(rules), reachOf(append(slices.Clone(rules), rule)))
}
