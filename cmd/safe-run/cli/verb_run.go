package cli

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

const runExamples = `  safe-run run oci:./app
  safe-run --profile web -p 127.0.0.1:8080:80 oci:./site
  safe-run -it --profile shell dir:./rootfs sh
  safe-run -m 1g --cpus 2 -e MODE=batch -v ./in:/in:ro -v ./out:/out oci:./job
  safe-run --profile worker --egress internet:443 oci:./fetcher`

// runVerb is `safe-run [run] IMAGE`.
func (a *app) runVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "run [flags] IMAGE [COMMAND...]", Short: "run an image (the verb may be left out)", GroupID: groupRun,
		Long: "run an image in a container that is locked down unless its profile says otherwise. " +
			"IMAGE is NAME[:tag][@digest] as docker, podman, containerd or a registry knows it, oci:DIR[:ref], oci-archive:FILE, docker-archive:FILE, dir:ROOTFS or ./program.\n\n" +
			"The exit code is the program's; 128 and its number when a signal ended it; 125 when the container could not " +
			"be started, 126 when the program cannot be run, 127 when it is not there.",
		Example:               runExamples,
		DisableFlagsInUseLine: true,
	}
	seen := a.runFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := a.options(*seen, args)
		if err != nil {
			return err
		}
		if o.Pool != "" {
			return callPool(o.Pool, *seen, args)
		}
		if err := checkInput(a.std, o); err != nil {
			return err
		}
		if o.Detach && a.std.Order == nil {
			a.ready.Cancel() // the supervisor gets ready by itself
			return a.detach(o, a.args)
		}
		return run(cmd.Context(), a.std, o, a.ready)
	}
	return cmd
}

// checkInput refuses a terminal that nobody types on: what is piped in would be
// echoed and edited as if it were typed, and its end would never arrive.
func checkInput(std IO, o runOptions) error {
	if !o.TTY || !o.Stdin || o.Detach || std.Front != nil || std.Order != nil || term.IsTerminal(int(std.In.Fd())) {
		return nil
	}
	return problem.New("leave -t out to pipe input in (-i), or -i to give it only a terminal (-t)",
		"-it: standard input is not a terminal")
}

// runFlags gives cmd the flags of run, unless another verb was asked for: there
// are many, and each launch would pay for them three times.
func (a *app) runFlags(cmd *cobra.Command) *[]occurrence {
	switch a.verb {
	case runVerb, createVerb, "explain", "spec", "pool", attackVerb:
		if a.verb != cmd.Name() {
			return &[]occurrence{}
		}
	}
	seen := addRunFlags(cmd.Flags())
	// cobra's own would take -h, which is --hostname in docker. Where no value
	// follows, help is what was meant: see flagError.
	cmd.Flags().Bool("help", false, "help for "+cmd.Name())
	completeRun(cmd)
	cmd.ValidArgsFunction = completeReference
	return seen
}

// options are what the command line of run, spec or explain asks for.
func (a *app) options(seen []occurrence, args []string) (runOptions, error) {
	if _, err := os.Getwd(); err != nil {
		// Relative paths would mean nothing; libcontainer stops at it, too.
		return runOptions{}, problem.New("cd to a directory that is there", "the directory you are in is gone: %w", err)
	}
	o, err := buildRun(seen, args)
	if err == nil && o.Pool != "" && a.verb != runVerb {
		err = problem.New("leave it out", "--pool is a flag of `safe-run run`")
	}
	o.Format = a.format
	return o, usageError(err)
}

// completeRun completes the values that come from a list.
func completeRun(cmd *cobra.Command) {
	const noFiles = cobra.ShellCompDirectiveNoFileComp
	lists := map[string]func() []string{
		"profile": profileNames,
		"accept": func() (names []string) {
			for _, w := range profiles.Weakenings() {
				names = append(names, w.Name+"\t"+w.Meaning)
			}
			return names
		},
		"cap-add":  profiles.CapabilityNames,
		"cap-drop": func() []string { return append(profiles.CapabilityNames(), "ALL") },
		"network":  func() []string { return []string{"none", "bridge"} },
		"pull":     func() []string { return []string{"always", "missing", "never"} },
		"sdnotify": func() []string { return notifyModes },
		"volume":   volumeNames,
		"user":     func() []string { return nil },
		"name":     func() []string { return nil },
	}
	for flag, list := range lists {
		directive := noFiles
		if flag == "profile" || flag == "volume" {
			directive = cobra.ShellCompDirectiveDefault // a path, too
		}
		_ = cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return list(), directive
		})
	}
}

// profileNames lists the profiles that can be named.
func profileNames() []string { return policies.Here.Finder().Names() }
