package verify

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
)

// maxDeep bounds how many layers are taken away at once.
const maxDeep = 5

// setOf names layers whatever their order.
func setOf(layers ...battery.Layer) string {
	var names []string
	for _, l := range layers {
		names = append(names, string(l))
	}
	slices.Sort(names)
	return strings.Join(names, "+")
}

// add keeps what a sandbox without some layers said.
func (f *findings) add(gone []battery.Layer, lines []Line) {
	set := setOf(gone...)
	if f.without[set] == nil {
		f.without[set] = map[string]Line{}
	}
	for _, l := range lines {
		f.without[set][l.ID] = l
	}
}

// deeper takes away, from under each attack, all the layers that are known to
// have stopped it, and looks what stops it then; and again, until it gets
// through. Then it looks whether each of them holds alone, where that is not
// known yet. Attacks with the same layers share a sandbox. It gives what could not
// be carried out.
func (b *Battery) deeper(ctx context.Context, found *findings) (missing []string) {
	for range maxDeep {
		groups := b.unanswered(found)
		if len(groups) == 0 {
			break
		}
		missing = append(missing, b.tryWithout(ctx, found, groups)...)
		if ctx.Err() != nil {
			return missing
		}
	}
	return append(missing, b.tryWithout(ctx, found, b.doubtful(found))...)
}

// tryWithout attacks sandboxes without groups of layers.
func (b *Battery) tryWithout(ctx context.Context, found *findings, groups map[string]group) (missing []string) {
	for _, set := range slices.Sorted(maps.Keys(groups)) {
		g := groups[set]
		b.tell("without " + joined(g.gone) + ": " + strings.Join(g.ids, " "))
		change := b.change(g.gone, g.ids, true)
		if slices.Contains(g.ids, "R03") {
			change.Args = append(change.Args, "--deep")
		}
		one := b.launch(ctx, change, b.counting())
		if ctx.Err() != nil {
			return append(missing, one.wrong.Error())
		}
		if one.wrong != nil {
			missing = append(missing, "without "+joined(g.gone)+": "+one.wrong.Error())
		}
		for _, id := range g.ids { // each is asked once, whatever came of it
			one.lines = append([]Line{{ID: id, Verdict: battery.NotRun}}, one.lines...)
		}
		found.add(g.gone, one.lines)
	}
	return missing
}

// group is one sandbox: what it lacks, and who is tried in it.
type group struct {
	gone []battery.Layer
	ids  []string
}

// unanswered are the attacks of which it is not known what is behind their
// layers, and can be.
func (b *Battery) unanswered(f *findings) map[string]group {
	out := map[string]group{}
	for _, r := range b.results(f) {
		links, _ := f.chain(&r, b.Predict(f.plain.plan, f.plain.host, r.ID))
		chain := layersIn(links)
		if r.Verdict != battery.Blocked || len(chain) == 0 || len(chain) >= maxDeep || !predict.CanGo(chain) {
			continue
		}
		set := setOf(chain...)
		if _, asked := f.without[set][r.ID]; asked {
			continue
		}
		// Nothing is used up to see that nothing else holds.
		alone := slices.Contains(expensive, r.ID)
		if alone && len(r.Predicted) <= len(chain) {
			continue
		}
		if alone {
			set += " " + r.ID
		}
		out[set] = group{chain, append(out[set].ids, r.ID)}
	}
	return out
}

// link is one layer of a chain, and the answer of the sandbox in which it was in
// front.
type link struct {
	layer battery.Layer
	line  Line
}

// seen is what a refusal looks like.
func seen(l Line) string { return l.Errno + l.Signal }

func filtered(l Line) bool { return l.Marker || l.Signal == "SIGSYS" }

func layersIn(links []link) (out []battery.Layer) {
	for _, l := range links {
		out = append(out, l.layer)
	}
	return out
}

// chain are the layers that stop the attack one behind the other: the one that
// did, the one that did without it, the one that did without both. Whole: without
// all of them it got through. Which layer it was is concluded from the error,
// but for the filter; see shown.
func (f *findings) chain(r *battery.Result, stops []battery.Stop) (out []link, whole bool) {
	if r.Observed == "" || r.Verdict != battery.Blocked {
		return nil, false
	}
	first, marked := f.marked[r.ID]
	if !marked || first.Verdict != battery.Blocked {
		first = Line{Errno: r.Errno, Signal: r.Signal}
	}
	out = []link{{r.Observed, first}}
	for {
		line, ran := f.without[setOf(layersIn(out)...)][r.ID]
		if !ran {
			return out, false
		}
		switch line.Verdict {
		case battery.Missing:
			// Seen: the kernel was asked, and does not have it.
			return append(out, link{battery.Absent, line}), false
		case battery.Allowed:
			return out, true
		case battery.Blocked:
		default:
			return out, false
		}
		next, gone := battery.Seccomp, layersIn(out)
		rest := slices.DeleteFunc(slices.Clone(stops), func(s battery.Stop) bool { return slices.Contains(gone, s.Layer) })
		if !filtered(line) {
			next = concluded(seen(line), rest, true)
		}
		if next == "" || slices.Contains(gone, next) {
			return out, false
		}
		out = append(out, link{next, line})
	}
}
