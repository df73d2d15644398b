package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/pull"
	"github.com/safe-run/safe-run/sandbox/image/vuln"
	"github.com/safe-run/safe-run/spec/problem"
)

// verified is what verify found out about an image.
type verified struct {
	Image  string `json:"image"`
	Digest string `json:"digest"`
	OK     bool   `json:"ok"`
	// Held are the checks of the policy that hold now; Refused says why the
	// next does not.
	Held        []held            `json:"held"`
	Refused     string            `json:"refused,omitempty"`
	Hint        string            `json:"hint,omitempty"`
	Differences []pull.Difference `json:"differences"`
	// Vulnerabilities is nil when the policy does not ask for them.
	Vulnerabilities *vuln.Verdict `json:"vulnerabilities,omitempty"`
	entry           *image.Entry
}

// held is one check that holds.
type held struct {
	Check string `json:"check"`
	By    string `json:"by"`
}

func (a *app) verifyVerb() *cobra.Command {
	limits := bounds.Default
	cmd := &cobra.Command{
		Use:   "verify [flags] IMAGE...",
		Short: "check images of the store again, now",
		Long: `check images of the store again, now: what the policy asks of them (registries,
digest, signatures, vulnerabilities), and whether manifest, config, layers and
every file are still what was published. The exit code is 1 when anything is not,
with what differs.`,
		Example:     "  safe-run image verify nginx:1.27\n  safe-run image verify --profile web --format json nginx:1.27",
		Args:        images(1, -1),
		Annotations: map[string]string{network: forNames, writesSARIF: "yes"},
	}
	limitFlags(cmd.Flags(), &limits)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := a.pullOptions(cmd, limits)
		if err != nil {
			return err
		}
		if a.format == formatSARIF && len(args) > 1 {
			return badUsage(cmd.CommandPath(), "sarif is written of one image at a time")
		}
		lib, err := openLibrary(a.store)
		if err != nil {
			return err
		}
		c := &checking{ctx: cmd.Context(), lib: lib, options: o}
		var all []verified
		for _, name := range args {
			v, err := c.verify(name)
			if err != nil {
				return err
			}
			all = append(all, v)
		}
		return a.verdicts(all)
	}
	return cmd
}

// checking is what every image is checked with.
type checking struct {
	ctx     context.Context
	lib     *library
	options pull.Options
}

// verify checks one image. An error says that it could not be checked.
func (c *checking) verify(name string) (verified, error) {
	v := verified{Image: name, OK: true, Held: []held{}, Differences: []pull.Difference{}}
	m, err := c.lib.find(name)
	if err != nil {
		return v, err
	}
	if m.entry == nil {
		return v, problem.New("bring it again: safe-run image pull "+name, "image %s is not whole in the store", name)
	}
	v.Digest, v.entry = m.digest, m.entry
	differences, err := pull.Verify(c.ctx, m.entry, c.options)
	if err != nil {
		return v, problem.New(problem.HintOf(err), "image %s: %w", name, err)
	}
	v.Differences = append(v.Differences, differences...)
	if err := c.judge(m, &v); err != nil {
		return v, err
	}
	v.OK = v.Refused == "" && len(v.Differences) == 0
	return v, nil
}

// judge checks the image by the policy, under the reference that means it.
func (c *checking) judge(m match, v *verified) error {
	record := m.record
	if record == nil {
		if means := c.lib.meaning(m.digest); len(means) > 0 {
			record = means[0]
		}
	}
	if record == nil {
		if !c.options.Trust.Zero() {
			v.Refused, v.Hint = "where it came from is not known any more", "safe-run image pull it again"
		}
		return nil
	}
	if !image.Fresh(record.Source) {
		// What would be judged is what is there now, and not this image.
		v.Refused, v.Hint = record.Reference+" has changed since it was pulled", "safe-run image pull "+record.Reference
		return nil
	}
	o := c.options
	o.Pull = image.PullMissing
	checked, err := pull.Check(c.ctx, record.Reference, o)
	if checked != nil {
		for _, s := range checked.Steps {
			v.Held = append(v.Held, held{s.Name, s.Held})
		}
		v.Vulnerabilities = checked.Vulnerabilities
	}
	if err == nil {
		return nil
	}
	if c.ctx.Err() != nil {
		return err
	}
	// A document that is damaged was told of already.
	if len(v.Differences) == 0 || !o.Trust.Zero() {
		v.Refused, v.Hint = err.Error(), problem.HintOf(err)
	}
	return nil
}

// verdicts prints what was found, and fails when anything is not as it should
// be.
func (a *app) verdicts(all []verified) error {
	ok := true
	for _, v := range all {
		ok = ok && v.OK
	}
	var out bytes.Buffer
	var err error
	switch a.format {
	case formatJSON:
		err = writeJSON(&out, all)
	case formatSARIF:
		err = verifySARIF(&out, all[0])
	default:
		for _, v := range all {
			err = errors.Join(err, v.table(&out, a.quiet))
		}
	}
	if _, writeErr := out.WriteTo(a.std.Out); err == nil {
		err = writeErr
	}
	if err == nil && !ok {
		return failed{}
	}
	return err
}

// table writes what was found for people.
func (v verified) table(w io.Writer, quiet bool) error {
	if quiet {
		return nil
	}
	say := func(format string, args ...any) { fmt.Fprintln(w, printable(fmt.Sprintf(format, args...))) }
	say("%s (%s)", v.Image, v.Digest)
	for _, h := range v.Held {
		say("  holds    %s: %s", h.Check, h.By)
	}
	if v.Refused != "" {
		say("  refused  %s", v.Refused)
		if v.Hint != "" {
			say("           hint: %s", v.Hint)
		}
	}
	for _, d := range v.Differences {
		where := ""
		if d.Layer > 0 {
			where = "layer " + strconv.Itoa(d.Layer) + ": "
		}
		if d.Path != "" {
			where += d.Path + ": "
		}
		say("  differs  %s%s", where, d.What)
	}
	if len(v.Differences) == 0 {
		say("  holds    contents: every file of %s is what was published", plural(len(v.entry.Layers), "layer"))
	}
	if v.Vulnerabilities == nil || len(v.Vulnerabilities.All) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return vuln.Table(w, *v.Vulnerabilities)
}

func verifySARIF(w io.Writer, v verified) error {
	verdict := vuln.Verdict{Image: v.Image}
	if v.Vulnerabilities != nil {
		verdict = *v.Vulnerabilities
	}
	run := vuln.SARIF(verdict, version(), vuln.Subject{Name: v.Image, Digests: []string{v.Digest}, ConfigDigest: v.entry.ConfigRaw})
	addDifferences(run, v)
	return run.Encode(w)
}

// linked is set by the linker: -X .../cmd/safe-run-image/cli.linked=1.2.3
var linked = ""

// version is which safe-run this is.
func version() string {
	info, ok := debug.ReadBuildInfo()
	switch {
	case linked != "":
		return linked
	case ok && info.Main.Version != "" && info.Main.Version != "(devel)":
		return info.Main.Version
	}
	return "development"
}
