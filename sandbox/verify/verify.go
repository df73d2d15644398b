// Package verify attacks a sandbox from inside and says what stopped each
// attack. The sandbox is started by the launcher, by the same path as any run;
// what comes out of it is not believed further than a hostile program can be.
package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
)

// Battery is a battery about to be run.
type Battery struct {
	// Launcher is safe-run, and Probe the program that attacks.
	Launcher, Probe string
	// Flags are those of `safe-run run` that say how, Image is what runs; empty:
	// nothing but the probe program.
	Flags []string
	Image string
	// Ledger is where the launcher keeps what it knows of detached containers.
	Ledger string
	// Only are the probes that are run; empty: all.
	Only []string
	// Layers takes layers away one at a time.
	Layers bool
	// Exceptions are why the profile allows an attack, by probe.
	Exceptions map[string]string
	// Table are the probes that there are.
	Table []battery.Probe
	// Predict says which layers of a plan stop a probe, those that the kernel asks
	// first in front.
	Predict func(*spec.Plan, spec.Host, string) []battery.Stop
	// Base, if it is not nil, changes the plan before anything is predicted from
	// it: what else holds is seen where the filter is not in front.
	Base func(*spec.Plan)
	// Sabotage, if it is not nil, takes something away from the plan that is
	// carried out and not from the one that is predicted from: the battery has to
	// find it.
	Sabotage func(*spec.Plan)
	outside  *outside // the host\'s side of some attacks
	stage    *stage   // what attacks get at where a layer is gone
	// Progress is told what is being done, if it is not nil.
	Progress func(string)
}

// Run runs it. The report of a run that did not come to its end has what was
// found, and says so; an error is one that left nothing to report.
func (b *Battery) Run(ctx context.Context) (*battery.Report, error) {
	report := &battery.Report{Runtime: "safe-run", Where: "host", Image: b.Image, Began: time.Now().UTC()}
	defer func() { report.Took = time.Since(report.Began) }()

	out, err := newOutside()
	if err != nil {
		return nil, err
	}
	defer out.remove()
	b.outside = out
	if b.Layers {
		stage, err := newStage(b.Probe)
		if err != nil {
			return nil, err
		}
		defer stage.remove()
		b.stage = stage
	}
	b.tell("the sandbox as it is")
	plain := b.launch(ctx, b.change(nil, nil, false), b.counting())
	if plain.wrong != nil && len(plain.lines) == 0 {
		return nil, plain.wrong
	}
	report.Profile, report.Kernel, report.Facts = plain.plan.Profile, plain.host.Kernel, plain.facts
	report.Facts["lsms"] = strings.Join(plain.host.LSMs, " ")
	report.Facts["cgroup version"] = fmt.Sprint(plain.host.Cgroup.Version)
	if plain.wrong != nil {
		report.Partial = plain.wrong.Error()
	}
	found := &findings{plain: plain, marked: map[string]Line{}, without: map[string]map[string]Line{}}
	b.fromOutside(ctx, found) // before anything that holds is taken away
	if report.Partial == "" {
		report.Partial = b.more(ctx, found)
	}
	report.Results = b.results(found)
	return report, nil
}

// more runs the sandboxes that tell which layer it was. It gives the reason why
// it did not come to its end.
func (b *Battery) more(ctx context.Context, found *findings) string {
	b.tell("with a filter that leaves its mark")
	marked := b.launch(ctx, b.change(nil, nil, true), b.counting())
	found.marked = byID(marked.lines)
	if marked.wrong != nil {
		return "with a marked filter: " + marked.wrong.Error()
	}
	if !b.Layers {
		return ""
	}
	var missing []string
	for _, layer := range predict.Ablations(found.plain.plan) {
		b.tell("without " + string(layer))
		one := b.launch(ctx, b.change([]battery.Layer{layer}, nil, true), b.counting())
		found.add([]battery.Layer{layer}, one.lines)
		if ctx.Err() != nil {
			return one.wrong.Error()
		}
		if one.wrong != nil {
			missing = append(missing, "without "+string(layer)+": "+one.wrong.Error())
		}
	}
	return strings.Join(append(missing, b.deeper(ctx, found)...), "; ")
}

// change is how the plan of one sandbox differs. What uses something up is run
// in the sandbox as it is, and where it is one of those that alone are run.
func (b *Battery) change(without []battery.Layer, only []string, marked bool) predict.Change {
	args, these := []string{"run"}, only
	if len(these) == 0 {
		these = b.Only
	}
	if len(these) > 0 {
		args = append(args, "--only", strings.Join(these, ","))
	}
	if marked {
		args = append(args, "--marker", fmt.Sprint(predict.Marker))
	}
	if marked && len(only) == 0 {
		args = append(args, "--skip", strings.Join(expensive, ","))
	}
	if b.outside != nil && b.outside.address != "" {
		args = append(args, "--outside", b.outside.address)
	}
	c := predict.Change{Probe: b.Probe, Args: args, Marked: marked, Without: without, Limits: limits, Base: b.Base, Remove: b.Sabotage}
	if b.stage != nil && len(without) > 0 {
		c.Stage = b.stage.Stage
		c.Args = append(c.Args, "--abstract", b.stage.abstract)
	}
	return c
}

// expensive probes use something up, and tell nothing about the filter.
var expensive = []string{"R01", "R02", "R03", "R04", "R05", "R06"}

func (b *Battery) image() string {
	if b.Image == "" {
		return b.Probe
	}
	return b.Image
}

func (b *Battery) tell(what string) {
	if b.Progress != nil {
		b.Progress(what)
	}
}

func (b *Battery) counting() func(Line) {
	if b.Progress == nil {
		return nil
	}
	return func(l Line) { b.Progress(l.ID) }
}

func byID(lines []Line) map[string]Line {
	out := map[string]Line{}
	for _, l := range lines {
		out[l.ID] = l
	}
	return out
}

// findings are what the sandboxes of one battery said.
type findings struct {
	plain  attacked
	marked map[string]Line
	// without are the lines of sandboxes that lacked layers, by setOf them.
	without map[string]map[string]Line
}

// probes are those of the table that were to be run, in its order.
func (b *Battery) probes() []battery.Probe {
	return slices.DeleteFunc(slices.Clone(b.Table), func(p battery.Probe) bool {
		return len(b.Only) > 0 && !slices.Contains(b.Only, p.ID)
	})
}
