package verify

import (
	"slices"

	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
)

// Of a layer that gives the same error as the one behind it nobody knows from the
// error alone whether it is there: without it the attack fails as before. It
// counts when it made a difference that it was gone, or when it holds where all
// the others are gone.

// shown says of each layer of a chain whether it was seen to hold. Dead is the
// first one that was seen not to.
func (f *findings) shown(id string, links []link, whole bool, stops []battery.Stop) (independent, open []battery.Layer, dead battery.Layer) {
	for i, l := range links {
		holds, asked := f.different(id, links, i)
		if !holds {
			holds, asked = f.alone(id, l, others(links, i, whole, stops), stops)
		}
		switch {
		case holds:
			independent = append(independent, l.layer)
		case asked && dead == "":
			dead = l.layer
		default:
			open = append(open, l.layer)
		}
	}
	return independent, open, dead
}

// different says whether what was seen changed when a layer went. What the filter
// refused has its mark, and what the kernel lacks was said by the kernel.
func (f *findings) different(id string, links []link, i int) (yes, asked bool) {
	l := links[i]
	if l.layer == battery.Seccomp && filtered(l.line) || l.layer == battery.Absent {
		return true, false
	}
	next, ran := f.without[setOf(layersIn(links[:i+1])...)][id]
	switch {
	case !ran:
		return false, false
	case next.Verdict == battery.Blocked:
		return filtered(next) || seen(next) != seen(l.line), false
	}
	return next.Verdict == battery.Allowed || next.Verdict == battery.Missing, false
}

// others are all the layers that could have given the answer in a layer's place:
// those of its chain and, where the attack never got through, those that were
// predicted and have its error. What the kernel lacks answers otherwise.
func others(links []link, i int, whole bool, stops []battery.Stop) (out []battery.Layer) {
	for j, l := range links {
		if j != i && l.layer != battery.Absent {
			out = append(out, l.layer)
		}
	}
	for _, s := range stops {
		if !whole && s.Layer != links[i].layer && !slices.Contains(out, s.Layer) && refusesWith(s, links[i].line) {
			out = append(out, s.Layer)
		}
	}
	return out
}

func refusesWith(s battery.Stop, l Line) bool {
	return slices.Contains(s.Errnos, seen(l)) || seen(l) == "" && len(s.Errnos) == 0
}

// alone says whether a layer stops the attack where all the others are gone, and
// whether the attack got through there.
func (f *findings) alone(id string, l link, others []battery.Layer, stops []battery.Stop) (holds, through bool) {
	if len(others) == 0 { // nobody else is known to give such an answer
		return true, false
	}
	line, ran := f.without[setOf(others...)][id]
	if !ran {
		return false, false
	}
	i := slices.IndexFunc(stops, func(s battery.Stop) bool { return s.Layer == l.layer })
	fits := seen(line) == seen(l.line) || i >= 0 && refusesWith(stops[i], line)
	return line.Verdict == battery.Blocked && !line.Marker && fits, line.Verdict == battery.Allowed
}

// doubtful are the sandboxes that tell of layers whether they hold alone.
func (b *Battery) doubtful(f *findings) map[string]group {
	out := map[string]group{}
	for _, r := range b.results(f) {
		stops := b.Predict(f.plain.plan, f.plain.host, r.ID)
		links, whole := f.chain(&r, stops)
		for i, l := range links {
			gone := others(links, i, whole, stops)
			if yes, _ := f.different(r.ID, links, i); yes || !slices.Contains(r.Concluded, l.layer) || len(gone) > maxDeep || !predict.CanGo(gone) {
				continue
			}
			set := setOf(gone...)
			if _, asked := f.without[set][r.ID]; asked {
				continue
			}
			if slices.Contains(expensive, r.ID) {
				set += " " + r.ID
			}
			out[set] = group{gone, append(out[set].ids, r.ID)}
		}
	}
	return out
}
