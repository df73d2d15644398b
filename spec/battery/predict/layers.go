// Package predict says what a plan does about each attack of the battery before
// it is tried, from the plan and the facts of the host alone; and how a plan is
// changed for it to be tried.
package predict

import (
	"slices"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
)

// part is one check of an attack: the calls that it needs, each of which the
// filter may refuse, and what the kernel asks after the filter.
type part struct {
	calls []call
	then  []layer
}

// layer is something that the kernel asks. It gives what a refusal looks like,
// and nothing where the plan has no such layer.
type layer func(*scene) []battery.Stop

// scene is what is looked at.
type scene struct {
	plan *spec.Plan
	host spec.Host
}

// Stops are the layers of a plan that stop an attack, those that the kernel asks
// first in front, with what each refusal looks like. None: it is let through. Of
// an attack with several parts the first one's answer is seen; the others must
// be stopped too, and a layer counts beside the first when it stops them all, or
// when each of the others has another one in its place.
func Stops(plan *spec.Plan, host spec.Host, id string) []battery.Stop {
	s := &scene{plan, host}
	var out, first0 []battery.Stop
	fewest := 0
	for i, p := range attacks[id] {
		stops := s.of(p)
		if i == 0 || len(stops) < fewest {
			fewest = len(stops)
		}
		switch {
		case len(stops) == 0:
			return nil
		case i == 0:
			out, first0 = stops, slices.Clone(stops)
		default:
			first := out[0]
			out = slices.DeleteFunc(out, func(a battery.Stop) bool {
				return a.Layer != first.Layer && !slices.ContainsFunc(stops, func(b battery.Stop) bool { return b.Layer == a.Layer })
			})
			if j := slices.IndexFunc(stops, func(b battery.Stop) bool { return b.Layer == first.Layer }); j >= 0 {
				out[0].Errnos = union(out[0].Errnos, stops[j].Errnos)
			}
		}
	}
	for _, more := range first0 {
		if len(out) < fewest && !slices.ContainsFunc(out, func(o battery.Stop) bool { return o.Layer == more.Layer }) {
			out = append(out, more)
		}
	}
	return out
}

// Known says whether anything is predicted of an attack at all.
func Known(id string) bool {
	_, ok := attacks[id]
	return ok
}

func (s *scene) of(p part) []battery.Stop {
	var out []battery.Stop
	add := func(stops []battery.Stop) {
		for _, stop := range stops {
			if !slices.ContainsFunc(out, func(o battery.Stop) bool { return o.Layer == stop.Layer }) {
				out = append(out, stop)
			}
		}
	}
	for _, c := range p.calls {
		if errno, refused := refuses(s.plan.OCI.Linux.Seccomp, c); refused {
			add([]battery.Stop{{Layer: battery.Seccomp, Errnos: []string{errno}}})
			break
		}
	}
	for _, ask := range p.then {
		add(ask(s))
	}
	return out
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

func stop(l battery.Layer, errnos ...string) []battery.Stop {
	return []battery.Stop{{Layer: l, Errnos: errnos}}
}
