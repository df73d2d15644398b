package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/battery"
)

// results put what was seen beside what was predicted.
func (b *Battery) results(f *findings) []battery.Result {
	plain := byID(f.plain.lines)
	var out []battery.Result
	for _, probe := range b.probes() {
		line, ran := plain[probe.ID]
		r := battery.Result{ID: probe.ID, Verdict: battery.NotRun, Exception: b.Exceptions[probe.ID]}
		stops := b.Predict(f.plain.plan, f.plain.host, probe.ID)
		for _, s := range stops {
			r.Predicted = append(r.Predicted, s.Layer)
		}
		switch {
		case ran:
			fill(&r, line, f.marked[probe.ID])
			f.observe(&r, stops)
		case f.plain.ended:
			r.Detail = "the probe program does not have it"
		default:
			r.Detail = "the battery ended before it"
		}
		r.Wrong = wrong(r)
		out = append(out, r)
	}
	return out
}

// fill takes over what was seen in the sandbox as it is. A refusal may look like
// a call that the kernel lacks; the mark tells them apart.
func fill(r *battery.Result, plain, marked Line) {
	r.Verdict, r.Errno, r.Signal = plain.Verdict, plain.Errno, plain.Signal
	r.Detail, r.Effect, r.Took = plain.Detail, plain.Effect, plain.Took()
	if plain.Verdict == battery.Missing && marked.Verdict == battery.Blocked && marked.Marker {
		r.Verdict = battery.Blocked
	}
}

// observe says which layer it was.
func (f *findings) observe(r *battery.Result, stops []battery.Stop) {
	switch r.Verdict {
	case battery.Missing:
		r.Observed = battery.Absent
		return
	case battery.Blocked:
	default:
		return
	}
	marked, haveMark := f.marked[r.ID]
	r.Observed, r.Inferred = f.layer(r, marked, stops, haveMark)
	if len(f.without) > 0 {
		var links []link
		links, r.Whole = f.chain(r, stops)
		r.Independent, r.Concluded, r.Dead = f.shown(r.ID, links, r.Whole, stops)
	}
}

// layer names the layer of a refusal: seen by the mark or by the signal that a
// filter alone sends, and otherwise concluded from the error.
func (f *findings) layer(r *battery.Result, marked Line, stops []battery.Stop, haveMark bool) (battery.Layer, bool) {
	if marked.Marker || r.Signal == "SIGSYS" {
		return battery.Seccomp, false
	}
	for _, s := range stops {
		if one, ok := f.without[setOf(s.Layer)][r.ID]; ok && one.Verdict == battery.Allowed {
			return s.Layer, false
		}
	}
	return concluded(r.Errno+r.Signal, stops, haveMark), true
}

// concluded is the first layer of the plan whose refusal looks like the one that
// was seen: an error, a signal, or neither, where something simply is not there.
func concluded(seen string, stops []battery.Stop, noFilter bool) battery.Layer {
	for _, s := range stops {
		// A call that is newer than the filter gets ENOSYS from what libcontainer
		// puts in front of it, which no mark reaches.
		if s.Layer == battery.Seccomp && noFilter && seen != "ENOSYS" {
			continue
		}
		if slices.Contains(s.Errnos, seen) || seen == "" && len(s.Errnos) == 0 {
			return s.Layer
		}
	}
	return ""
}

// wrong says why a result is a failure.
func wrong(r battery.Result) string {
	switch r.Verdict {
	case battery.Allowed:
		if len(r.Predicted) > 0 {
			return fmt.Sprintf("allowed, although %s was to stop it", r.Predicted[0])
		}
		if r.Exception == "" {
			return "allowed, and the profile gives no reason"
		}
	case battery.Blocked:
		switch {
		case len(r.Predicted) == 0:
			return fmt.Sprintf("stopped by %s, and nothing was predicted to", orUnknown(r.Observed))
		case r.Observed != r.Predicted[0]:
			return fmt.Sprintf("stopped by %s, and %s was predicted to", orUnknown(r.Observed), r.Predicted[0])
		case r.Dead != "":
			return fmt.Sprintf("without the other layers it gets through, although %s was to stop it", r.Dead)
		case r.Whole:
			// It got through in the end: whatever else was to hold does not.
			gone := slices.Concat(r.Independent, r.Concluded)
			for _, l := range r.Predicted {
				if !slices.Contains(gone, l) {
					return fmt.Sprintf("without %s it gets through, although %s was to stop it", joined(gone), l)
				}
			}
		}
	case battery.Error:
		return "it came to no result: " + r.Detail
	}
	return ""
}

func joined(layers []battery.Layer) string {
	var words []string
	for _, l := range layers {
		words = append(words, string(l))
	}
	return strings.Join(words, " and ")
}

func orUnknown(l battery.Layer) battery.Layer {
	if l == "" {
		return "something unknown"
	}
	return l
}
