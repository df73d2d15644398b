package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles/builtin"
	writer "github.com/safe-run/safe-run/sandbox/install"
	"github.com/safe-run/safe-run/spec/export/diff"
	"github.com/safe-run/safe-run/spec/install"
	"github.com/safe-run/safe-run/spec/problem"
)

// etcSafeRun is where the administrator's files are below --root.
const etcSafeRun = "/etc/safe-run"

// installOptions are the flags of install.
type installOptions struct {
	engine        string
	root, bin     string
	profiles      []string
	configVersion int
	dryRun, undo  bool
	check         bool // and nothing else
}

func (a *app) installVerb() *cobra.Command {
	var o installOptions
	cmd := &cobra.Command{
		Use:   "install ENGINE [flags]",
		Short: "make safe-run a runtime of containerd, docker, podman or crio",
		Long: `write the configuration that makes safe-run a runtime of an engine, containerd,
docker, podman or crio, and a default policy where there is none. The engine's
default runtime stays what it is, and nothing is restarted. Then a test container
is run where the engine answers; --check does that alone. --undo takes back
exactly what was installed; a file that somebody has changed since stays.`,
		Example: "  safe-run install docker --dry-run\n  safe-run install containerd --profile web --profile worker\n" +
			"  safe-run install podman --undo",
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage{problem.New("choose one of: "+strings.Join(install.Engines(), ", "), "%s needs one engine", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.engine = args[0]
			return a.install(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be written, and write nothing")
	f.BoolVar(&o.check, "check", false, "run a test container, and write nothing")
	f.BoolVar(&o.undo, "undo", false, "take back what was installed")
	f.StringVar(&o.root, "root", "/", "the directory that all paths are below of, for packages and images")
	f.StringVar(&o.bin, "bin", "", "where safe-run's programs are, below --root (default: beside this one)")
	f.StringArrayVar(&o.profiles, "profile", nil, "a profile that has a runtime of its own, saferun-PROFILE; containerd 2.3 and later (default: every built-in one)")
	f.IntVar(&o.configVersion, "config-version", 0, "the version of containerd's configuration, 2 or 3 (default: as its file says)")
	return cmd
}

func (a *app) install(ctx context.Context, o *installOptions) error {
	known := false
	for _, name := range install.Engines() {
		known = known || name == o.engine
	}
	if !known {
		return usage{problem.New("choose one of: "+strings.Join(install.Engines(), ", "), "nothing is installed for %q", o.engine)}
	}
	tree, err := writer.Open(o.root)
	if err != nil {
		return err
	}
	defer tree.Close()
	if o.undo {
		err = a.uninstall(o, tree)
	} else {
		err = a.installInto(ctx, o, tree)
	}
	if errors.Is(err, fs.ErrPermission) && problem.HintOf(err) == "" {
		return problem.New("run it as root, or below a directory of yours with --root", "%w", err)
	}
	return err
}

func (a *app) installInto(ctx context.Context, o *installOptions, tree *writer.Tree) error {
	plan, err := o.plan(tree)
	if err != nil {
		return err
	}
	if err := o.programThere(plan.Program); err != nil {
		return err
	}
	if o.check {
		return a.check(ctx, o, plan.Program)
	}
	changes, err := tree.Changes(o.engine, plan.Files)
	if err != nil {
		return err
	}
	if o.dryRun {
		return a.showChanges(o, changes)
	}
	if err := tree.Install(o.engine, changes); err != nil {
		return err
	}
	for _, c := range changes {
		if c.Why != "" {
			fmt.Fprintf(a.std.Out, "kept %s: %s\n", o.shown(c.Path), c.Why)
			continue
		}
		fmt.Fprintf(a.std.Out, "wrote %s\n", o.shown(c.Path))
	}
	for _, line := range plan.Next {
		fmt.Fprintf(a.std.Out, "next: %s\n", line)
	}
	return a.check(ctx, o, plan.Program)
}

// plan is what is to be written, from the flags and the engine's own file.
func (o *installOptions) plan(tree *writer.Tree) (install.Plan, error) {
	in := install.Input{Engine: o.engine, Bin: o.bin, Profiles: o.profiles, Usual: builtin.Names(), ConfigVersion: o.configVersion}
	if in.Bin == "" {
		self, err := os.Executable()
		if err != nil {
			return install.Plan{}, problem.New("name the directory of safe-run's programs with --bin", "%w", err)
		}
		in.Bin = o.within(filepath.Dir(self))
	}
	if name := install.Existing(o.engine); name != "" {
		var err error
		if in.Existing, err = tree.Base(o.engine, name); err != nil {
			return install.Plan{}, err
		}
	}
	here := policies.Host{Etc: filepath.Join(o.root, etcSafeRun), Owner: policies.Here.Owner}
	for _, name := range in.Profiles {
		if _, err := here.ForBundle("", name); err != nil {
			return install.Plan{}, err
		}
	}
	return install.Make(in)
}

// within is a path as it is seen below --root.
func (o *installOptions) within(path string) string {
	root, err := filepath.Abs(o.root)
	if err != nil || root == "/" {
		return path
	}
	if below, found := strings.CutPrefix(path, root+"/"); found {
		return "/" + below
	}
	return path
}

// shown is a path as it is seen from here.
func (o *installOptions) shown(path string) string { return printable(filepath.Join(o.root, path)) }

// programThere fails when an engine would have nothing to start.
func (o *installOptions) programThere(program string) error {
	name := filepath.Join(o.root, program)
	info, err := os.Stat(name)
	if err == nil && (!info.Mode().IsRegular() || info.Mode()&0o111 == 0) {
		err = fmt.Errorf("%s is no program", name)
	}
	if err != nil {
		return problem.New("install it there, or name its directory, as the engine will see it, with --bin", "%w", err)
	}
	return nil
}

// uninstall takes back what was installed, and says what stays.
func (a *app) uninstall(o *installOptions, tree *writer.Tree) error {
	changes, err := tree.Undoing(o.engine)
	if err != nil {
		return err
	}
	if o.dryRun {
		return a.showChanges(o, changes)
	}
	if err := tree.Undo(o.engine, changes); err != nil {
		return err
	}
	var left []error
	for _, c := range changes {
		switch {
		case c.Left():
			left = append(left, problem.New("take runtime "+install.Runtime+" out of it by hand, then remove "+
				o.shown(etcSafeRun+"/installed/"+o.engine+".json"), "%s stays: %s", o.shown(c.Path), c.Why))
		case c.Why != "":
			fmt.Fprintf(a.std.Out, "kept %s: %s\n", o.shown(c.Path), c.Why)
		case c.Same():
			fmt.Fprintf(a.std.Out, "%s was gone already\n", o.shown(c.Path))
		case c.After == nil:
			fmt.Fprintf(a.std.Out, "removed %s\n", o.shown(c.Path))
		default:
			fmt.Fprintf(a.std.Out, "restored %s\n", o.shown(c.Path))
		}
	}
	return errors.Join(left...)
}

// showChanges writes what would change as a diff.
func (a *app) showChanges(o *installOptions, changes []writer.Change) error {
	for _, c := range changes {
		before, after := o.shown(c.Path), o.shown(c.Path)
		switch {
		case c.Why != "":
			fmt.Fprintf(a.std.Out, "# %s stays: %s\n", before, c.Why)
			continue
		case c.Before == nil:
			before = os.DevNull
		case c.After == nil:
			after = os.DevNull
		}
		fmt.Fprint(a.std.Out, diff.Unified(before, after, c.Before, c.After))
	}
	return nil
}
