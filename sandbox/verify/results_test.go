package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
)

// stops of a probe that a filter, capabilities and a mask stop.
var stops = []battery.Stop{
	{Layer: battery.Seccomp, Errnos: []string{"EPERM"}},
	{Layer: battery.Capabilities, Errnos: []string{"EPERM"}},
	{Layer: battery.Masks},
}

func TestResults(t *testing.T) {
	blocked := func(errno string) Line { return Line{ID: "M01", Verdict: battery.Blocked, Errno: errno} }
	marked := Line{ID: "M01", Verdict: battery.Blocked, Errno: "EHWPOISON", Marker: true}
	tests := []struct {
		name          string
		stops         []battery.Stop
		plain, marked Line
		without       map[battery.Layer]Line
		exception     string
		observed      battery.Layer
		independent   []battery.Layer
		wrong         string
	}{
		{name: "the filter", stops: stops, plain: blocked("EPERM"), marked: marked, observed: battery.Seccomp},
		{name: "not the filter", stops: stops, plain: blocked("EPERM"), marked: blocked("EPERM"),
			observed: battery.Capabilities, wrong: "stopped by capabilities, and seccomp was predicted to"},
		{name: "hidden", stops: stops[2:], plain: blocked(""), marked: blocked(""), observed: battery.Masks},
		{name: "two layers", stops: stops, plain: blocked("EPERM"), marked: marked,
			without:  map[battery.Layer]Line{battery.Seccomp: blocked("EPERM"), battery.Capabilities: marked},
			observed: battery.Seccomp, independent: []battery.Layer{battery.Seccomp, battery.Capabilities}},
		{name: "one layer", stops: stops[:1], plain: blocked("EPERM"), marked: marked,
			without:  map[battery.Layer]Line{battery.Seccomp: {ID: "M01", Verdict: battery.Allowed}},
			observed: battery.Seccomp, independent: []battery.Layer{battery.Seccomp}},
		{name: "a refusal that looks like a call that is not there", stops: stops[:1],
			plain: Line{ID: "M01", Verdict: battery.Missing, Errno: "ENOSYS"}, marked: marked, observed: battery.Seccomp},
		{name: "not there", stops: stops[:1], plain: Line{ID: "M01", Verdict: battery.Missing, Errno: "ENOSYS"},
			marked: Line{ID: "M01", Verdict: battery.Missing}, observed: battery.Absent},
		{name: "let through", plain: Line{ID: "M01", Verdict: battery.Allowed}, wrong: "gives no reason"},
		{name: "on purpose", plain: Line{ID: "M01", Verdict: battery.Allowed}, exception: "it serves"},
		{name: "on purpose, and predicted otherwise", stops: stops, plain: Line{ID: "M01", Verdict: battery.Allowed},
			exception: "it serves", wrong: "although seccomp was to stop it"},
		{name: "by nothing that was predicted", plain: blocked("EPERM"), wrong: "nothing was predicted to"},
		{name: "no result", plain: Line{ID: "M01", Verdict: battery.Error, Detail: "timeout"}, wrong: "timeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := &Battery{
				Table:      []battery.Probe{{ID: "M01"}},
				Exceptions: map[string]string{"M01": test.exception},
				Predict:    func(*spec.Plan, spec.Host, string) []battery.Stop { return test.stops },
			}
			f := &findings{marked: map[string]Line{"M01": test.marked}, without: map[string]map[string]Line{}}
			f.plain.lines, f.plain.ended = []Line{test.plain}, true
			for layer, line := range test.without {
				f.without[setOf(layer)] = map[string]Line{"M01": line}
			}
			r := b.results(f)[0]
			if r.Observed != test.observed || !slices.Equal(r.Independent, test.independent) {
				t.Errorf("observed %q, independent %q; want %q, %q", r.Observed, r.Independent, test.observed, test.independent)
			}
			if (test.wrong == "") != (r.Wrong == "") || !strings.Contains(r.Wrong, test.wrong) {
				t.Errorf("wrong is %q, want %q", r.Wrong, test.wrong)
			}
		})
	}
}

// TestMissingLinesAreNotRun: what was not heard of counts as nothing.
func TestMissingLinesAreNotRun(t *testing.T) {
	b := &Battery{Table: []battery.Probe{{ID: "M01"}}, Predict: func(*spec.Plan, spec.Host, string) []battery.Stop { return stops }}
	if r := b.results(&findings{})[0]; r.Verdict != battery.NotRun || r.Detail != "the battery ended before it" {
		t.Errorf("got %+v", r)
	}
}
