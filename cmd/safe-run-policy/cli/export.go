package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
)

// exportTarget is one thing that a profile can be exported to.
type exportTarget struct {
	// use is the name and what follows it on the command line, such as
	// "kubernetes [flags] IMAGE [-- ARG...]".
	use, short, long, example string
	// noImage: there need be no IMAGE, because the target runs none, or names it
	// elsewhere.
	noImage bool
	// flags adds the target's own.
	flags func(*pflag.FlagSet)
	// export makes the files.
	export func(export.Input) (export.Result, error)
	// stream puts several files into one, for standard output and for a single
	// file; without it they need a directory.
	stream func([]export.File) ([]byte, error)
	// remove is how what a file made is taken away again; empty where files make
	// nothing.
	remove string
}

// exportTargets make the targets of one invocation, in the order of the help;
// each has a file of its own.
var exportTargets = []func() *exportTarget{
	newKubernetesTarget, newDockerTarget, newComposeTarget, newPodmanTarget, newOCITarget, newSeccompTarget, newSystemdTarget,
	newAppArmorTarget, newNomadTarget,
}

// exportOptions are the flags that all targets have.
type exportOptions struct {
	profile, name, image string
	publish, env         []string
	command              []string
	replicas             int
	output               string
	losses               string
	diff                 string
	strict, force        bool
}

// exportVerb is `export`, which has a verb for each target.
func (a *app) exportVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "export TARGET", Short: "write a profile as what others understand, and say what is lost",
		Long: "write a profile as what others understand: what a target cannot express is listed on standard error, " +
			"with what to do about it, and --strict makes any of it an error.",
		Example:               "  safe-run export kubernetes --profile web -p 80 nginx:1.27 > app.yaml",
		DisableFlagsInUseLine: true,
		Args:                  func(cmd *cobra.Command, args []string) error { return noTarget(cmd, args) },
		RunE:                  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(misspelt(noTarget))
	for _, make := range exportTargets {
		cmd.AddCommand(a.exportTargetVerb(make()))
	}
	return cmd
}

// misspelt explains a flag that is not there: where the verb before it is not there
// either, no flag is.
func misspelt(no func(*cobra.Command, []string) error) func(*cobra.Command, error) error {
	return func(cmd *cobra.Command, err error) error {
		if words := cmd.Flags().Args(); cmd.HasSubCommands() && len(words) > 0 {
			return no(cmd, words)
		}
		return badUsage(cmd.CommandPath(), "%w", err)
	}
}

// noTarget explains a target that is not there.
func noTarget(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	if near := profiles.Nearest(args[0], names); near != "" {
		return usage{problem.New("did you mean "+cmd.CommandPath()+" "+near+" ?", "nothing is exported to %q", args[0])}
	}
	return usage{problem.New("choose one of: "+strings.Join(names, ", "), "nothing is exported to %q", args[0])}
}

func (a *app) exportTargetVerb(t *exportTarget) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use: t.use, Short: t.short, Long: t.long, Example: t.example, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := o.input(t, cmd, args)
			if err != nil {
				return err
			}
			return a.exported(cmd.Context(), t, &o, in)
		},
	}
	o.addTo(cmd.Flags())
	if t.flags != nil {
		t.flags(cmd.Flags())
	}
	return cmd
}

// addTo adds the flags that all targets have.
func (o *exportOptions) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.profile, "profile", "default", "the profile: a built-in one, a name or a file")
	f.StringVar(&o.name, "name", "", "what the application is called, a DNS label (default: the image's name)")
	f.StringVar(&o.image, "image", "", "the image, where it is not the first argument")
	f.StringArrayVarP(&o.publish, "publish", "p", nil, "a port that is to be reachable: [[IP:]PORT:]PORT[/udp]")
	f.StringArrayVarP(&o.env, "env", "e", nil, "a variable of the environment: NAME=VALUE")
	f.StringArrayVar(&o.command, "command", nil, "a word of what takes the place of the image's entrypoint; once for each word")
	f.IntVar(&o.replicas, "replicas", 1, "how many run")
	f.StringVarP(&o.output, "output", "o", "-", "a directory, a file, or - for standard output")
	f.StringVar(&o.losses, "losses", "table", "how what is lost is listed on standard error: table or json")
	f.StringVar(&o.diff, "diff", "", "show what changes against an older export, a file or a directory, and write nothing")
	f.BoolVar(&o.strict, "strict", false, "fail when anything is lost")
	f.BoolVar(&o.force, "force", false, "overwrite files that are there")
}

// input is what the command line and this host say.
func (o *exportOptions) input(t *exportTarget, cmd *cobra.Command, args []string) (export.Input, error) {
	reference, args, err := o.reference(t, cmd, args)
	if err != nil {
		return export.Input{}, err
	}
	if err := o.check(cmd); err != nil {
		return export.Input{}, err
	}
	in := export.Input{Args: args, Replicas: o.replicas}
	if cmd.Flags().Changed("command") {
		in.Command = o.command
	}
	if in.Publish, err = parsePublished(o.publish); err != nil {
		return in, usage{err}
	}
	if in.Env, err = parseEnv(o.env); err != nil {
		return in, usage{err}
	}
	named := reference
	if named == "" && t.noImage {
		named = o.profile
	}
	if in.Name, err = applicationName(o.name, named); err != nil {
		return in, usage{err}
	}
	if in.Profile, err = policies.Here.Resolve(o.profile); err != nil {
		return in, err
	}
	in.Image, err = imageFacts(reference)
	return in, err
}

// reference is the image, and the arguments behind it.
func (o *exportOptions) reference(t *exportTarget, cmd *cobra.Command, args []string) (string, []string, error) {
	before := cmd.ArgsLenAtDash() // what stands behind -- is never the image
	if o.image != "" {
		if before > 0 || before < 0 && len(args) > 0 {
			return "", nil, badUsage(cmd.CommandPath(), "the image is named twice: %s and --image %s", args[0], o.image)
		}
		return o.image, nilIfEmpty(args), nil
	}
	if len(args) == 0 || before == 0 {
		if t.noImage {
			return "", nilIfEmpty(args), nil
		}
		return "", nil, badUsage(cmd.CommandPath(), "no image is named")
	}
	if before < 0 && len(args) > 1 || before > 1 {
		return "", nil, usage{problem.New("write the program's arguments behind --, as in "+cmd.CommandPath()+" "+args[0]+" -- "+strings.Join(args[1:], " "),
			"%q stands behind the image", args[1])}
	}
	return args[0], nilIfEmpty(args[1:]), nil
}

func nilIfEmpty(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// check refuses what no target can use.
func (o *exportOptions) check(cmd *cobra.Command) error {
	switch {
	case !slices.Contains([]string{"table", "json"}, o.losses):
		return usage{problem.New("write --losses table or --losses json", "--losses %q is no form", o.losses)}
	case o.replicas < 1 || o.replicas > mostReplicas:
		return usage{problem.New("write --replicas 1, or more", "--replicas %d is not from 1 to %d", o.replicas, mostReplicas)}
	case o.diff != "" && cmd.Flags().Changed("output"):
		return badUsage(cmd.CommandPath(), "--diff writes nothing, so that --output has no meaning")
	case cmd.Flags().Changed("command") && (len(o.command) == 0 || o.command[0] == ""):
		return badUsage(cmd.CommandPath(), "--command names no program")
	}
	return nil
}

// mostReplicas is more than a cluster runs.
const mostReplicas = 10000

// exported makes, reports and writes.
func (a *app) exported(_ context.Context, t *exportTarget, o *exportOptions, in export.Input) error {
	result, err := t.export(in)
	if err != nil {
		return err
	}
	// What is wrong with the command line comes before what is lost: the list is long.
	if err := o.placesFor(t, result.Files); err != nil {
		return err
	}
	if err := a.writeLosses(o.losses, result.Losses); err != nil {
		return err
	}
	if o.strict && len(result.Losses) > 0 {
		return problem.New("do what is said beside each, or leave out --strict", "%s lost, and nothing is written", counted(len(result.Losses), "setting"))
	}
	if o.diff != "" {
		return a.diffExport(o.diff, t, result.Files)
	}
	return a.writeExport(o, t, result.Files)
}
