package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
)

// explanation is the JSON form of explain.
type explanation struct {
	Profile   string        `json:"profile"`
	Image     spec.ImageRef `json:"image"`
	Accepted  []string      `json:"accepted"`
	Decisions []explained   `json:"decisions"`
}

// explainVerb is `safe-run explain IMAGE`.
func (a *app) explainVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "explain [flags] IMAGE [COMMAND...]", Short: "show what would be enforced, where it comes from, and why", GroupID: groupLook,
		Long: "show each setting that a run with the same flags would have: its value, the profile and line, " +
			"flag, image or host that it comes from, the flag and the key of a profile that change it, the reason, and what is " +
			"weaker than it could be. What has neither flag nor key is always so. Nothing is run.",
		Example: "  safe-run explain oci:./app\n  safe-run explain --profile web --egress internet:443 oci:./app\n" +
			"  safe-run explain --format json ./tool",
		DisableFlagsInUseLine: true,
	}
	seen := a.runFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := a.options(*seen, args)
		if err != nil {
			return err
		}
		p, err := prepare(cmd.Context(), a.std, o, example)
		if refused := new(unopened); errors.As(err, &refused) {
			return errors.Join(a.explainRefused(o, refused.policy), err)
		}
		if err != nil {
			return err
		}
		defer p.close()
		return a.explainPlan(p.plan)
	}
	return cmd
}

func (a *app) explainPlan(plan *spec.Plan) error {
	if a.format == formatJSON {
		return writeJSON(a.std.Out, explanation{plan.Profile, plan.Image, orEmpty(plan.Accepted), explainAll(plan.Decisions)})
	}
	var text bytes.Buffer
	writeExplanation(&text, plan, paletteFor(a.std.Out), width(a.std.Out))
	_, err := text.WriteTo(a.std.Out)
	return err
}

// explainRefused explains what images must satisfy, of one that could not be
// opened: the rest depends on what is in it.
func (a *app) explainRefused(o runOptions, policy profiles.Profile) error {
	decisions := spec.ImageDecisions(policy)
	if len(decisions) == 0 {
		return nil
	}
	return a.explainPlan(&spec.Plan{Profile: policy.Metadata.Name, Image: spec.ImageRef{Reference: o.Image}, Decisions: decisions})
}

// writeExplanation prints the decisions, then what is weaker because of them.
func writeExplanation(w *bytes.Buffer, plan *spec.Plan, p palette, columns int) {
	fmt.Fprintf(w, "%s under the profile %s\n\n", printable(plan.Image.Reference), p.bold(printable(plan.Profile)))
	t := table{head: []string{"SETTING", "VALUE", "SOURCE", "CHANGE WITH", "WHY"}}
	broken := table{head: []string{"WILL NOT WORK", "SOURCE", "WHY, AND WHAT TO DO"}}
	weakened := table{head: []string{"WEAKER", "SOURCE", "WHAT IT GIVES UP"}}
	for _, d := range plan.Decisions {
		setting := d.Setting
		if d.Breaks != "" {
			broken.add(d.Setting+" "+d.Value, d.Source, d.Breaks)
			continue
		}
		if d.Weakens != "" {
			setting = "! " + setting
			weakened.add(d.Setting+" "+d.Value, d.Source, d.Weakens)
		}
		t.add(setting, d.Value, d.Source, changeOf(d.Setting).String(), d.Why)
	}
	t.paint = func(_, column int, text string) string {
		if column == 0 && strings.HasPrefix(text, "! ") {
			return p.yellow(text)
		}
		return text
	}
	_ = t.write(w, columns, p) // a bytes.Buffer takes everything
	for _, more := range []table{broken, weakened} {
		if len(more.rows) > 0 {
			fmt.Fprintln(w)
			_ = more.write(w, columns, p)
		}
	}
	if len(plan.Accepted) == 0 {
		return
	}
	fmt.Fprintln(w)
	accepted := table{head: []string{"ACCEPTED", "WHAT IS LOST"}}
	for _, name := range plan.Accepted {
		accepted.add(name, meaningOf(name))
	}
	_ = accepted.write(w, columns, p)
}

func meaningOf(weakening string) string {
	for _, w := range profiles.Weakenings() {
		if w.Name == weakening {
			return w.Meaning
		}
	}
	return ""
}
