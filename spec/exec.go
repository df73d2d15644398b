package spec

import (
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec/problem"
)

// ExecRequest is what a further process of a running container asks for.
type ExecRequest struct {
	Args       []string
	Env        []string // NAME=value, in order; later ones win
	WorkingDir string   // empty: the first process's
	User       string   // as Request.User; empty: the first process's
	Terminal   bool
	// Passwd and Group are the container's own /etc/passwd and /etc/group; at
	// most 1 MiB each.
	Passwd, Group []byte
}

// CompileExec makes the process that joins the container of a plan. All that
// confines it is the first process's; the request chooses the program, its
// environment and directory, and a user that the plan allows.
func CompileExec(plan *Plan, r ExecRequest) (*specs.Process, error) {
	first := plan.OCI.Process
	p := *first
	p.Terminal, p.ConsoleSize = r.Terminal, nil
	for _, step := range []func(*specs.Process, *Plan, ExecRequest) error{execArgs, execUser, execEnv} {
		if err := step(&p, plan, r); err != nil {
			return nil, err
		}
	}
	if r.WorkingDir != "" {
		p.Cwd = path.Clean(r.WorkingDir)
	}
	if !path.IsAbs(p.Cwd) || strings.ContainsRune(p.Cwd, 0) {
		return nil, problem.New("write an absolute path", "working directory %q is not an absolute path", clip(r.WorkingDir))
	}
	return &p, nil
}

func execArgs(p *specs.Process, _ *Plan, r ExecRequest) error {
	if len(r.Args) == 0 || r.Args[0] == "" {
		return problem.New("write it after the container: safe-run exec NAME COMMAND", "no command is named")
	}
	for _, arg := range r.Args {
		if err := checkString("argument", arg); err != nil {
			return err
		}
	}
	p.Args = slices.Clone(r.Args)
	return nil
}

// execUser finds the user. The accounts are those of the container as it is
// now, and what runs in it may have written them: whatever a name comes to,
// root is root by its number.
func execUser(p *specs.Process, plan *Plan, r ExecRequest) error {
	if r.User == "" {
		return nil
	}
	who, err := resolveUser(r.User, r.Passwd, r.Group)
	if err != nil {
		return err
	}
	if !who.hasGroup && who.uid != 0 {
		who.gid = p.User.GID
	}
	if !plan.RootAllowed && (who.uid == 0 || who.gid == 0) {
		return problem.New("choose another --user, or start the container under a profile with process: {root: {allow: true, why: ...}}",
			"--user %s is root, which profile %s does not allow (process.root)", clip(r.User), plan.Profile)
	}
	if who.uid != p.User.UID {
		home := who.home
		if !path.IsAbs(home) {
			home = "/"
		}
		p.Env = setVariables(p.Env, "HOME="+home)
	}
	p.User.UID, p.User.GID, p.User.AdditionalGids = who.uid, who.gid, who.groups
	return nil
}

func execEnv(p *specs.Process, _ *Plan, r ExecRequest) error {
	if r.Terminal && !slices.ContainsFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, "TERM=") }) {
		p.Env = setVariables(p.Env, "TERM=xterm")
	}
	for _, text := range r.Env {
		name, _, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return problem.New("write -e NAME=VALUE", "environment variable %q is not NAME=VALUE", clip(name))
		}
		if err := checkString("environment variable", text); err != nil {
			return problem.New("write -e NAME=VALUE", "environment variable %q holds a zero byte or is too long", clip(name))
		}
	}
	p.Env = setVariables(p.Env, r.Env...)
	return nil
}

// setVariables gives env with vars, of which all have a "=", in place of those
// of the same names. env stays as it is.
func setVariables(env []string, vars ...string) []string {
	var out environment
	for _, text := range slices.Concat(env, vars) {
		name, value, _ := strings.Cut(text, "=")
		out.set(name, value)
	}
	return out.list
}
