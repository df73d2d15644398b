package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/audit"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/sarif"
)

func (a *app) auditVerb() *cobra.Command {
	limits := bounds.Default
	var failOn string
	cmd := &cobra.Command{
		Use:   "audit [flags] IMAGE",
		Short: "say what is wrong with an image itself",
		Long: `say what is wrong with an image itself: who it runs as, what it carries that it
should not, how it was made. An image that is not in the store is pulled first.
With --fail-on the exit code is 1 when a finding is as severe or worse.`,
		Example:     "  safe-run image audit nginx:1.27\n  safe-run image audit --fail-on high --format sarif nginx:1.27 > audit.sarif",
		Args:        images(1, 1),
		Annotations: map[string]string{network: forMissing, writesSARIF: "yes"},
	}
	limitFlags(cmd.Flags(), &limits)
	cmd.Flags().StringVar(&failOn, "fail-on", "none", "the lowest severity that fails: info, low, medium, high or critical")
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"info", "low", "medium", "high", "critical"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		least, err := audit.ParseSeverity(failOn)
		if err != nil {
			return usage{problem.New(problem.HintOf(err), "--fail-on: %w", err)}
		}
		lib, m, err := a.stored(cmd, args[0], limits)
		if err != nil {
			return err
		}
		findings, err := auditImage(cmd.Context(), lib, m, args[0], limits)
		if err != nil {
			return problem.New(problem.HintOf(err), "image %s: %w", args[0], err)
		}
		if err := a.findings(args[0], findings); err != nil {
			return err
		}
		if least > audit.None && audit.Worst(findings) >= least {
			return failed{}
		}
		return nil
	}
	return cmd
}

// stored finds an image of the store, and brings it there first when it is not.
func (a *app) stored(cmd *cobra.Command, name string, limits bounds.Limits) (*library, match, error) {
	lib, err := openLibrary(a.store)
	if err != nil {
		return nil, match{}, err
	}
	m, err := lib.whole(name)
	if ref, bad := image.Parse(name); err == nil || bad == nil && !ref.Stored() {
		return lib, m, err
	}
	o, err := a.pullOptions(cmd, limits)
	if err != nil {
		return nil, match{}, err
	}
	o.Pull = image.PullMissing
	if _, err := a.pull(cmd, name, o); err != nil {
		return nil, match{}, err
	}
	if lib, err = openLibrary(a.store); err != nil {
		return nil, match{}, err
	}
	m, err = lib.whole(name)
	return lib, m, err
}

// auditImage looks at the blobs of an image, which are checked as they are
// read.
func auditImage(ctx context.Context, lib *library, m match, name string, limits bounds.Limits) ([]audit.Finding, error) {
	lock, err := lib.store.Share(ctx, m.digest)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	found, err := source.FromBlobs(lib.store, m.entry)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	in := audit.Input{Reference: name, Config: found.ConfigFile, Now: time.Now(), Limits: limits}
	if ref, err := image.Parse(name); err == nil && m.record != nil {
		in.Pinned, in.Tag = pinnedOrLatest(ref)
	} else {
		in.Pinned = true // it was named by its digest
	}
	for _, l := range found.Layers {
		in.Layers = append(in.Layers, func() (io.ReadCloser, error) { return openTar(ctx, l) })
	}
	return audit.Run(ctx, in)
}

// pinnedOrLatest says whether a reference names a digest, or else the latest
// there is.
func pinnedOrLatest(ref image.Reference) (pinned bool, tag string) {
	if ref.IsFile() {
		return image.ValidDigest(ref.Tag), ref.Tag
	}
	_, tag, digest := ref.Full().Name()
	if tag != "latest" {
		tag = ""
	}
	return digest != "", tag
}

// openTar opens the uncompressed tar of a layer.
func openTar(ctx context.Context, l source.Layer) (io.ReadCloser, error) {
	blob, err := l.Open(ctx, 0)
	if err != nil {
		return nil, err
	}
	content, err := source.Decompress(bufio.NewReaderSize(blob, 1<<17))
	if err != nil {
		return nil, errors.Join(err, blob.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{content, closers{content, blob}}, nil
}

// closers are closed together.
type closers []io.Closer

func (all closers) Close() error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// findings prints what an audit found.
func (a *app) findings(name string, list []audit.Finding) error {
	var out bytes.Buffer
	var err error
	switch a.format {
	case formatJSON:
		err = audit.JSON(&out, name, list)
	case formatSARIF:
		err = audit.SARIF(&out, name, version(), list)
	default:
		if err = audit.Table(&out, list); len(list) == 0 {
			out.WriteString("nothing was found\n")
		}
	}
	if err != nil {
		return err
	}
	if columns := columnsOf(a.std.Out); columns > 0 && a.format == formatTable {
		_, err = io.WriteString(a.std.Out, wrapped(out.String(), columns))
		return err
	}
	_, err = out.WriteTo(a.std.Out)
	return err
}

// addDifferences adds what verify found beside vulnerabilities.
func addDifferences(run *sarif.Run, v verified) {
	const contents, policy = "SR-VERIFY-CONTENTS", "SR-VERIFY-POLICY"
	run.Rule(sarif.Rule{ID: contents, Summary: "the store's copy is not what was published", Help: "remove the image and pull it again", Level: sarif.Error, Score: 9})
	run.Rule(sarif.Rule{ID: policy, Summary: "the image does not satisfy the policy", Help: "see the message", Level: sarif.Error, Score: 8})
	for _, d := range v.Differences {
		message := d.What
		if d.Path != "" {
			message = d.Path + ": " + d.What
		}
		run.Result(sarif.Result{Rule: contents, Level: sarif.Error, Message: message, URI: d.Path})
	}
	if v.Refused != "" {
		run.Result(sarif.Result{Rule: policy, Level: sarif.Error, Message: v.Refused})
	}
}
