package verify

import (
	"maps"
	"slices"
	"testing"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
)

var threeStops = []battery.Stop{
	{Layer: battery.Seccomp, Errnos: []string{"EPERM"}}, {Layer: battery.Landlock, Errnos: []string{"EACCES"}},
	{Layer: battery.Capabilities, Errnos: []string{"EPERM"}},
}

// TestChain: a layer counts when it was seen to stop the attack without all those
// before it, and not because it was predicted.
func TestChain(t *testing.T) {
	blocked := func(errno string) Line { return Line{Verdict: battery.Blocked, Errno: errno} }
	allowed := Line{Verdict: battery.Allowed}
	for _, test := range []struct {
		name    string
		without map[string]Line
		want    []battery.Layer
		whole   bool
	}{
		{"nothing was taken away", nil, []battery.Layer{"seccomp"}, false},
		{"it was alone", map[string]Line{"seccomp": allowed}, []battery.Layer{"seccomp"}, true},
		{"a second one", map[string]Line{"seccomp": blocked("EACCES"), "landlock+seccomp": allowed}, []battery.Layer{"seccomp", "landlock"}, true},
		{"three", map[string]Line{"seccomp": blocked("EACCES"), "landlock+seccomp": blocked("EPERM"), "capabilities+landlock+seccomp": allowed},
			[]battery.Layer{"seccomp", "landlock", "capabilities"}, true},
		{"more are not known", map[string]Line{"seccomp": blocked("EACCES")}, []battery.Layer{"seccomp", "landlock"}, false},
		{"the kernel lacks it", map[string]Line{"seccomp": {Verdict: battery.Missing}}, []battery.Layer{"seccomp", "absent"}, false},
		{"no result", map[string]Line{"seccomp": {Verdict: battery.Error}}, []battery.Layer{"seccomp"}, false},
		{"something unknown", map[string]Line{"seccomp": blocked("EIO")}, []battery.Layer{"seccomp"}, false},
	} {
		f := &findings{without: map[string]map[string]Line{}}
		for set, line := range test.without {
			f.without[set] = map[string]Line{"M01": line}
		}
		links, whole := f.chain(&battery.Result{ID: "M01", Verdict: battery.Blocked, Observed: battery.Seccomp}, threeStops)
		got := layersIn(links)
		if !slices.Equal(got, test.want) || whole != test.whole {
			t.Errorf("%s: %v, whole %v; want %v, %v", test.name, got, whole, test.want, test.whole)
		}
	}
}

// TestShown: of layers that give the same error, those count that hold where all
// the others are gone.
func TestShown(t *testing.T) {
	eperm := Line{Verdict: battery.Blocked, Errno: "EPERM"}
	marked := Line{Verdict: battery.Blocked, Errno: "EHWPOISON", Marker: true}
	allowed, missing := Line{Verdict: battery.Allowed}, Line{Verdict: battery.Missing, Errno: "ENOSYS"}
	same := []battery.Stop{
		{Layer: battery.Seccomp, Errnos: []string{"EPERM"}}, {Layer: battery.Landlock, Errnos: []string{"EPERM"}},
		{Layer: battery.Capabilities, Errnos: []string{"EPERM"}},
	}
	host := append(slices.Clone(same[:2]), battery.Stop{Layer: battery.HostSysctls, Errnos: []string{"EPERM"}})
	whole := map[string]Line{"seccomp": eperm, "landlock+seccomp": eperm, "capabilities+landlock+seccomp": allowed}
	with := func(more map[string]Line) map[string]Line {
		out := maps.Clone(whole)
		maps.Copy(out, more)
		return out
	}
	for _, test := range []struct {
		name                   string
		stops                  []battery.Stop
		without                map[string]Line
		independent, concluded []battery.Layer
		dead                   battery.Layer
	}{
		{"each holds", same, with(map[string]Line{"capabilities+seccomp": eperm}), []battery.Layer{"seccomp", "landlock", "capabilities"}, nil, ""},
		{"one was not applied", same, with(map[string]Line{"capabilities+seccomp": allowed}), []battery.Layer{"seccomp", "capabilities"}, nil, "landlock"},
		{"nobody looked", same, whole, []battery.Layer{"seccomp", "capabilities"}, []battery.Layer{"landlock"}, ""},
		{"no result", same, with(map[string]Line{"capabilities+seccomp": {Verdict: battery.NotRun}}), []battery.Layer{"seccomp", "capabilities"}, []battery.Layer{"landlock"}, ""},
		{"another error", same, with(map[string]Line{"capabilities+seccomp": {Verdict: battery.Blocked, Errno: "EIO"}}),
			[]battery.Layer{"seccomp", "capabilities"}, []battery.Layer{"landlock"}, ""},
		{"what is behind cannot be taken away", host, map[string]Line{"seccomp": eperm, "landlock+seccomp": eperm}, []battery.Layer{"seccomp", "host-sysctls"}, []battery.Layer{"landlock"}, ""},
		{"what is behind was not reached", same, map[string]Line{"seccomp": eperm}, []battery.Layer{"seccomp"}, []battery.Layer{"landlock"}, ""},
		{"another answer without it", same, map[string]Line{"seccomp": eperm, "landlock+seccomp": missing}, []battery.Layer{"seccomp", "landlock", "absent"}, nil, ""},
	} {
		f := &findings{marked: map[string]Line{"M01": marked}, without: map[string]map[string]Line{}}
		for set, line := range test.without {
			f.without[set] = map[string]Line{"M01": line}
		}
		b := &Battery{Table: []battery.Probe{{ID: "M01"}}, Predict: func(*spec.Plan, spec.Host, string) []battery.Stop { return test.stops }}
		f.plain.lines, f.plain.ended = []Line{{ID: "M01", Verdict: battery.Blocked, Errno: "EPERM"}}, true
		r := b.results(f)[0]
		if !slices.Equal(r.Independent, test.independent) || !slices.Equal(r.Concluded, test.concluded) || r.Dead != test.dead {
			t.Errorf("%s: %v, concluded %v, dead %q; want %v, %v, %q", test.name, r.Independent, r.Concluded, r.Dead, test.independent, test.concluded, test.dead)
		}
		if (r.Wrong != "") != (test.dead != "") {
			t.Errorf("%s: wrong is %q", test.name, r.Wrong)
		}
		if groups := b.doubtful(f); test.name == "nobody looked" && len(groups["capabilities+seccomp"].ids) != 1 {
			t.Errorf("%s: the sandboxes that would tell are %v", test.name, groups)
		}
	}
}

// TestDeeperFails: a layer that was predicted and does not hold is a failure.
func TestDeeperFails(t *testing.T) {
	b := &Battery{Table: []battery.Probe{{ID: "M01"}}, Predict: func(*spec.Plan, spec.Host, string) []battery.Stop { return threeStops }}
	f := &findings{marked: map[string]Line{"M01": {Marker: true}}, without: map[string]map[string]Line{}}
	f.plain.lines, f.plain.ended = []Line{{ID: "M01", Verdict: battery.Blocked, Errno: "EPERM"}}, true
	f.add([]battery.Layer{battery.Seccomp}, []Line{{ID: "M01", Verdict: battery.Allowed}})
	if r := b.results(f)[0]; r.Wrong != "without seccomp it gets through, although landlock was to stop it" {
		t.Errorf("wrong is %q", r.Wrong)
	}
}

// TestCanGo: what attacks is never given the host's own capabilities.
func TestCanGo(t *testing.T) {
	for _, test := range []struct {
		layers []battery.Layer
		want   bool
	}{
		{[]battery.Layer{battery.Seccomp, battery.UserNS}, true},
		{[]battery.Layer{battery.UserNS, battery.Seccomp, battery.Capabilities}, false},
		{[]battery.Layer{battery.UserNS, battery.BoundingSet}, false},
		{[]battery.Layer{battery.Devices}, false},
		{[]battery.Layer{battery.Launcher}, false},
	} {
		if got := predict.CanGo(test.layers); got != test.want {
			t.Errorf("%v: %v", test.layers, got)
		}
	}
}
