package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/spec/problem"
)

// policyProgram is the program that has the verbs below.
const policyProgram = "safe-run-policy"

// policyVerbs are the verbs of safe-run-policy: all of them are that program's,
// so that attacks, report writers and the formats of others are no part of the
// launcher.
func (a *app) policyVerbs() []*cobra.Command {
	var all []*cobra.Command
	for _, verb := range []struct{ name, use, short, long, example string }{
		{
			"audit", "audit {--profile P | --spec FILE | --k8s FILE | --docker LINE}", "judge a configuration by the control catalogue, without running it",
			"say which controls a configuration has, which it lacks, where, why that matters and how to mend it.",
			"  safe-run audit --k8s deploy.yaml --fail-on high",
		},
		{
			"doctor", "doctor [flags]", "look at this host: what weakens it, and the next step",
			"look at the kernel, control groups, sysctls, ids, container runtimes and safe-run's own directories, and say what to do next.",
			"  safe-run doctor --verbose",
		},
		{
			"export", "export TARGET [flags] IMAGE", "write a profile as what others understand, and say what is lost",
			"write a profile as what others understand, and list what the target cannot express, with what to do about it.",
			"  safe-run export kubernetes --profile web -p 80 nginx:1.27 > app.yaml",
		},
		{
			"convert", "convert FORMAT [flags] ...", "make a profile of what others say about a container",
			"make a profile of a docker command line, a compose file, a Kubernetes manifest or an OCI bundle, and list what was tightened, kept, and has no counterpart.",
			"  safe-run convert docker -- docker run -d -p 8080:80 nginx:1.27 > nginx.yaml",
		},
		{
			"install", "install {containerd | docker | podman | crio} [flags]", "make safe-run a runtime of a container engine, and take it back",
			"write the drop-in configuration that makes safe-run a runtime of an engine, and a default policy where there is none; --undo takes both back.",
			"  safe-run install docker --dry-run",
		},
		{
			"guard", "guard {on | off | status}", "have the kernel refuse containers a second time what their filters refuse",
			"switch programs of the BPF security module on or off that refuse containers what filter and masks refuse; an administrator's decision.",
			"  safe-run guard on",
		},
		{
			"verify", "verify [flags] [IMAGE]", "attack a sandbox from inside, and say what stopped each attack",
			"start a sandbox as run would, attack it from inside, and say which layer stopped each attack.",
			"  safe-run verify --profile web nginx:1.27",
		},
	} {
		cmd := &cobra.Command{
			Use: verb.use, Short: verb.short, Long: verb.long, Example: verb.example, GroupID: groupLook,
			DisableFlagParsing: true,
			// The format is the other program's business.
			PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
			RunE: func(_ *cobra.Command, args []string) error {
				return usageError(becomePolicy(append([]string{verb.name}, args...)))
			},
		}
		cmd.SetHelpFunc(func(own *cobra.Command, _ []string) {
			if err := becomePolicy([]string{verb.name, "--help"}); err != nil {
				a.help(own, nil) // where it is not installed
			}
		})
		all = append(all, cmd)
	}
	return all
}

// becomePolicy replaces this process by the other program: signals, the terminal
// and the exit code are its own then. It returns only with an error.
func becomePolicy(args []string) error {
	const hint = "install " + policyProgram + " beside safe-run"
	path, err := besideOrInPath(policyProgram)
	if err != nil {
		return problem.New(hint, "%w", err)
	}
	err = syscall.Exec(path, append([]string{"safe-run"}, args...), os.Environ())
	return problem.New(hint, "%s: %w", path, err)
}

// besideOrInPath finds a program that is installed with this one.
func besideOrInPath(name string) (string, error) {
	self, err := os.Executable() // where /proc/self/exe points to
	if err == nil {
		if beside, err := exec.LookPath(filepath.Join(filepath.Dir(self), name)); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errors.New(name + " is neither beside " + self + " nor in PATH")
	}
	return path, nil
}
