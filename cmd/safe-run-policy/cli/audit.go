package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/audit/bundle"
	"github.com/safe-run/safe-run/spec/audit/dockerline"
	"github.com/safe-run/safe-run/spec/audit/kube"
	"github.com/safe-run/safe-run/spec/audit/policy"
	"github.com/safe-run/safe-run/spec/located"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/report"
)

// auditInputs are what can be judged; one is.
type auditInputs struct{ profile, spec, k8s, docker string }

func (a *app) auditVerb() *cobra.Command {
	var in auditInputs
	var o reportFlags
	cmd := &cobra.Command{
		Use:   "audit {--profile P | --spec FILE | --k8s FILE | --docker LINE} [flags]",
		Short: "judge a configuration by the control catalogue, without running it",
		Long: `judge a configuration by the 28 controls of the catalogue, without running it:
which of them hold, which are violated, where, why that matters and how to mend
it. What a configuration does not say is told as "cannot tell". Numbers of CIS,
NIST, Pod Security Standards and the NSA's guidance say what a control has to do
with; a question mark says that the reference is not verified.

A file named - is standard input. The exit code is 1 when a violation is as severe
as --fail-on, or worse.`,
		Example: `  safe-run audit --profile web
  safe-run audit --k8s deploy.yaml --fail-on high
  safe-run audit --docker "docker run -v /:/host nginx" --verbose
  safe-run audit --spec config.json --format sarif --output audit.sarif`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage{problem.New("name it with --profile, --spec, --k8s or --docker", "%q is not expected", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, _, err := o.check(); err != nil {
				return err
			}
			f, err := in.findings(cmd)
			if err != nil {
				return err
			}
			return a.judged(&o, f)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.profile, "profile", "", "a profile: a built-in one, a name or a file")
	f.StringVar(&in.spec, "spec", "", "the config.json of an OCI bundle")
	f.StringVar(&in.k8s, "k8s", "", "Kubernetes manifests: pods, and what has templates of pods")
	f.StringVar(&in.docker, "docker", "", "a docker run command line, as one argument")
	o.addTo(cmd, "none")
	return cmd
}

// findings reads the one input that was named.
func (in auditInputs) findings(cmd *cobra.Command) (report.Findings, error) {
	var given []string
	for _, name := range []string{"profile", "spec", "k8s", "docker"} {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	switch {
	case len(given) == 0:
		return report.Findings{}, badUsage(cmd.CommandPath(), "nothing to judge was named")
	case len(given) > 1:
		return report.Findings{}, usage{problem.New("judge one after the other", "%s exclude each other", strings.Join(given, " and "))}
	}
	f := report.Findings{Kind: "audit"}
	var err error
	switch given[0] {
	case "--profile":
		err = in.ofProfile(&f)
	case "--spec":
		err = in.ofSpec(cmd.InOrStdin(), &f)
	case "--k8s":
		err = in.ofManifest(cmd.InOrStdin(), &f)
	default:
		var facts audit.Facts
		f.Subject = "docker command line"
		facts, f.Warnings, err = dockerline.Read(in.docker)
		f.Findings = audit.Judge(facts)
	}
	return f, err
}

func (in auditInputs) ofProfile(f *report.Findings) error {
	p, err := policies.Here.Resolve(in.profile)
	if err != nil {
		return err
	}
	f.Subject = "profile " + p.Metadata.Name
	f.Findings = audit.Judge(policy.Facts(p))
	return nil
}

func (in auditInputs) ofSpec(stdin io.Reader, f *report.Findings) error {
	name, data, err := readInput(stdin, in.spec)
	if err != nil {
		return err
	}
	facts, warnings, err := bundle.Read(name, data)
	f.Subject, f.Warnings, f.Findings = name, warnings, audit.Judge(facts)
	return err
}

func (in auditInputs) ofManifest(stdin io.Reader, f *report.Findings) error {
	name, data, err := readInput(stdin, in.k8s)
	if err != nil {
		return err
	}
	m, err := kube.Read(name, data)
	if err != nil {
		return err
	}
	f.Subject, f.Warnings = name, m.Warnings
	for _, pod := range m.Pods {
		level, failed := pod.Standard()
		value := string(level)
		if len(failed) > 0 {
			value += ", because of " + strings.Join(failed, ", ")
		}
		f.Notes = append(f.Notes, report.Note{Subject: pod.Name, Name: "Pod Security Standard", Value: value})
		f.Findings = append(f.Findings, pod.Findings()...)
	}
	return nil
}

// readInput reads a file of whoever asks, or standard input for "-", within
// bounds.
func readInput(stdin io.Reader, name string) (source string, data []byte, err error) {
	if name != "-" {
		data, err = policies.ReadBounded(name, located.MaxSize)
		return name, data, err
	}
	data, err = io.ReadAll(io.LimitReader(stdin, located.MaxSize+1))
	if err == nil && len(data) > located.MaxSize {
		err = problem.New("split it", "standard input is larger than %d MiB", located.MaxSize>>20)
	}
	return "stdin", data, err
}
