package profiles

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// meetEgress intersects two lists of rules pair by pair: "internet" stays a
// word where both sides have it, a prefix stays where the other side holds all
// of it, and what is partly public is split into the prefixes that are.
// Rules that another rule covers are left out.
func meetEgress(path string, a, b reflect.Value) []pair {
	left, right := a.Interface().([]Egress), b.Interface().([]Egress)
	var met []metRule
	for _, l := range left {
		for _, r := range right {
			ports, ok := meetPorts(l, r)
			if !ok {
				continue
			}
			for _, to := range meetTargets(l.To, r.To) {
				met = append(met, metRule{Egress{To: to, Ports: ports}, l, r})
			}
		}
	}
	var pairs []pair
	for _, m := range normalised(met) {
		mine, theirs := m.Egress, m.Egress
		mine.Why, theirs.Why = m.l.Why, m.r.Why
		pairs = append(pairs, pair{
			a: reflect.ValueOf(mine), aPath: entry(path, m.l.String()),
			b: reflect.ValueOf(theirs), bPath: entry(path, m.r.String()),
		})
	}
	return pairs
}

// metRule is the meet of the rules l and r.
type metRule struct {
	Egress
	l, r Egress
}

// normalised drops rules that say nothing beside another, and sorts the rest.
func normalised(met []metRule) []metRule {
	slices.SortStableFunc(met, func(x, y metRule) int { return compareRules(x.Egress, y.Egress) })
	met = slices.CompactFunc(met, func(x, y metRule) bool { return compareRules(x.Egress, y.Egress) == 0 })
	if len(met) > maxEgress {
		return met // more rules, but not more allowed
	}
	var kept []metRule
	for i, m := range met {
		covered := slices.ContainsFunc(met, func(other metRule) bool {
			return compareRules(other.Egress, met[i].Egress) != 0 && ruleCovers(other.Egress, met[i].Egress)
		})
		if !covered {
			kept = append(kept, m)
		}
	}
	return kept
}

func compareRules(x, y Egress) int {
	if x.To != y.To {
		return strings.Compare(x.To, y.To)
	}
	return slices.Compare(x.Ports, y.Ports)
}

// ruleCovers reports whether outer allows all that inner does. Both are rules
// in the form that the meet gives: ports are sorted and joined.
func ruleCovers(outer, inner Egress) bool {
	targets := meetTargets(outer.To, inner.To)
	ports, ok := meetPorts(outer, inner)
	return ok && slices.Equal(targets, []string{inner.To}) && slices.Equal(ports, inner.Ports)
}

// meetTargets gives the destinations that both a and b hold. A destination that
// cannot be read holds nothing.
func meetTargets(a, b string) []string {
	if word := meetWords(a, b); word != "" {
		return []string{word}
	}
	left, err1 := Egress{To: a}.Spans()
	right, err2 := Egress{To: b}.Spans()
	if err1 != nil || err2 != nil {
		return nil
	}
	var out []string
	for _, l := range left {
		for _, r := range right {
			inner := l.Prefix
			if contains(l.Prefix, r.Prefix) {
				inner = r.Prefix
			} else if !contains(r.Prefix, l.Prefix) {
				continue
			}
			for _, p := range subtract(inner, append(l.Except, r.Except...)) {
				out = append(out, p.String())
			}
		}
	}
	return out
}

// meetWords gives the word that is the meet of two destinations, if one is.
// Without it the public part of 0.0.0.0/0 would become a hundred prefixes.
func meetWords(a, b string) string {
	if a == Internet && b == Internet {
		return Internet
	}
	for word, whole := range map[string]string{Internet4: "0.0.0.0/0", Internet6: "::/0"} {
		within := []string{word, whole, Internet}
		if slices.Contains(within, a) && slices.Contains(within, b) && !(a == whole && b == whole) {
			return word
		}
	}
	return ""
}

// subtract gives the largest prefixes that together are p less the exceptions.
func subtract(p netip.Prefix, except []netip.Prefix) []netip.Prefix {
	touched := false
	for _, e := range except {
		if contains(e, p) {
			return nil
		}
		touched = touched || contains(p, e)
	}
	if !touched {
		return []netip.Prefix{p}
	}
	low, high := halves(p)
	return append(subtract(low, except), subtract(high, except)...)
}

// halves splits a prefix that is longer than one address.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits() + 1
	bytes := p.Addr().AsSlice()
	bytes[(bits-1)/8] |= 0x80 >> ((bits - 1) % 8)
	upper, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(p.Addr(), bits), netip.PrefixFrom(upper, bits)
}

// meetPorts gives the ports that both rules allow, sorted and joined; false
// when there are none. Rules without ports allow every port and protocol.
func meetPorts(a, b Egress) ([]string, bool) {
	left, err1 := a.PortRanges()
	right, err2 := b.PortRanges()
	switch {
	case err1 != nil || err2 != nil:
		return nil, false
	case left == nil && right == nil:
		return nil, true
	case left == nil:
		return portStrings(joinPorts(right)), true
	case right == nil:
		return portStrings(joinPorts(left)), true
	}
	var both []PortRange
	for _, l := range left {
		for _, r := range right {
			m := PortRange{l.Protocol, max(l.First, r.First), min(l.Last, r.Last)}
			if l.Protocol == r.Protocol && m.First <= m.Last {
				both = append(both, m)
			}
		}
	}
	return portStrings(joinPorts(both)), len(both) > 0
}

// joinPorts sorts ranges and joins those that touch.
func joinPorts(ranges []PortRange) []PortRange {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b PortRange) int {
		if a.Protocol != b.Protocol {
			return strings.Compare(a.Protocol, b.Protocol)
		}
		return int(a.First) - int(b.First)
	})
	var out []PortRange
	for _, r := range sorted {
		if n := len(out); n > 0 && out[n-1].Protocol == r.Protocol && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

func portStrings(ranges []PortRange) []string {
	var out []string
	for _, r := range ranges {
		out = append(out, r.String())
	}
	return out
}
