package spec

import (
	"path"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// mostArgument is MAX_ARG_STRLEN: the kernel takes no longer argument or
// environment variable.
const mostArgument = 128<<10 - 1

// process sets the command, the working directory and what execve cannot raise.
func (c *compiler) process() error {
	p := c.oci.Process
	p.NoNewPrivileges = true
	c.decide(Decision{
		Setting: "no_new_privs", Value: "set", Source: fromSafeRun,
		Why: "setuid programs and file capabilities give nothing",
	})
	p.Terminal = c.in.Request.Terminal
	args, err := c.args()
	if err != nil {
		return err
	}
	p.Args = args
	if adj := c.in.Profile.Process.OOMScoreAdj; adj != nil {
		score := int(*adj)
		p.OOMScoreAdj = &score
	}
	return c.workingDir()
}

// args puts the command together as docker does: arguments replace the image's
// Cmd, an entrypoint replaces the image's and drops its Cmd.
func (c *compiler) args() ([]string, error) {
	config, request := c.in.Image.Config, c.in.Request
	entrypoint, cmd := config.Entrypoint, config.Cmd
	if c.in.Image.Program != "" && len(entrypoint) == 0 {
		entrypoint = []string{c.in.Image.ProgramPath}
	}
	source := fromImage
	if request.Entrypoint != nil {
		entrypoint, cmd, source = nil, nil, "flag --entrypoint"
		if *request.Entrypoint != "" {
			entrypoint = []string{*request.Entrypoint}
		}
	}
	if len(request.Args) > 0 {
		cmd = request.Args
		if len(entrypoint) == 0 {
			source = fromRequest
		}
	}
	args := slices.Concat(entrypoint, cmd)
	if len(args) == 0 || args[0] == "" {
		return nil, problem.New("give one: safe-run IMAGE COMMAND [ARGUMENT...]", "image %s has no command", c.in.Image.Reference)
	}
	for _, arg := range args {
		if err := checkString("argument", arg); err != nil {
			return nil, err
		}
	}
	c.decide(Decision{Setting: "command", Value: args[0], Source: source})
	return args, nil
}

func (c *compiler) workingDir() error {
	dir, source := c.in.Request.WorkingDir, "flag --workdir"
	if dir == "" {
		dir, source = c.in.Image.Config.WorkingDir, fromImage
	}
	if dir == "" {
		dir, source = "/", fromSafeRun
	}
	if !path.IsAbs(dir) || strings.ContainsRune(dir, 0) {
		return problem.New("write an absolute path", "working directory %q is not an absolute path", clip(dir))
	}
	dir = path.Clean(dir)
	c.oci.Process.Cwd = dir
	c.decide(Decision{Setting: "workdir", Value: clip(dir), Source: source})
	return nil
}

// checkString refuses what execve(2) cannot take.
func checkString(what, text string) error {
	switch {
	case strings.ContainsRune(text, 0):
		return problem.New("remove it", "%s %q holds a zero byte", what, clip(text))
	case len(text) > mostArgument:
		return problem.New("put it into a file", "%s %q is longer than %d bytes, the most the kernel takes", what, clip(text), mostArgument)
	}
	return nil
}
