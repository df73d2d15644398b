package spec_test

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// firstProcess is a plan as far as a further process needs it.
func firstProcess() *spec.Plan {
	adj := 7
	return &spec.Plan{Profile: "p", OCI: &specs.Spec{Process: &specs.Process{
		User: specs.User{UID: 65532, GID: 65532, AdditionalGids: []uint32{9}},
		Args: []string{"/first"}, Env: []string{"PATH=/bin", "HOME=/", "A=1"}, Cwd: "/srv",
		Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN"}}, NoNewPrivileges: true,
		Rlimits: []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}}, OOMScoreAdj: &adj, ConsoleSize: &specs.Box{Width: 1},
	}}}
}

const (
	execPasswd = "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\nevil:x:0:1000::/:/bin/sh\ngroup:x:1001:0::/:/x\n"
	execGroup  = "root:x:0:app\nextra:x:50:app\n"
)

func TestCompileExec(t *testing.T) {
	plan := firstProcess()
	p, err := spec.CompileExec(plan, spec.ExecRequest{Args: []string{"sh"}, Env: []string{"A=2", "B=3"}, Terminal: true})
	if err != nil {
		t.Fatal(err)
	}
	first := plan.OCI.Process
	if p.User.UID != 65532 || !slices.Equal(p.User.AdditionalGids, []uint32{9}) || p.Cwd != "/srv" || !p.Terminal || p.ConsoleSize != nil {
		t.Errorf("%+v", p)
	}
	if p.Capabilities != first.Capabilities || !p.NoNewPrivileges || len(p.Rlimits) != 1 || p.OOMScoreAdj != first.OOMScoreAdj {
		t.Errorf("it is confined in another way than the first: %+v", p)
	}
	if want := []string{"PATH=/bin", "HOME=/", "A=2", "TERM=xterm", "B=3"}; !slices.Equal(p.Env, want) {
		t.Errorf("env %q, want %q", p.Env, want)
	}
	if !slices.Equal(first.Env, []string{"PATH=/bin", "HOME=/", "A=1"}) || !slices.Equal(first.Args, []string{"/first"}) {
		t.Errorf("the plan was changed: %+v", first)
	}
}

func TestCompileExecUser(t *testing.T) {
	for user, want := range map[string]struct {
		uid, gid uint32
		groups   []uint32
		home     string
	}{
		"":         {65532, 65532, []uint32{9}, "HOME=/"},
		"app":      {1000, 1000, []uint32{50}, "HOME=/home/app"},
		"1000":     {1000, 1000, []uint32{50}, "HOME=/home/app"},
		"5":        {5, 65532, nil, "HOME=/"},
		"app:77":   {1000, 77, nil, "HOME=/home/app"},
		"65532:33": {65532, 33, nil, "HOME=/"},
	} {
		p, err := spec.CompileExec(firstProcess(), spec.ExecRequest{
			Args: []string{"sh"}, User: user, Passwd: []byte(execPasswd), Group: []byte(execGroup),
		})
		if err != nil || p.User.UID != want.uid || p.User.GID != want.gid || !slices.Equal(p.User.AdditionalGids, want.groups) || !slices.Contains(p.Env, want.home) {
			t.Errorf("%q: %+v %q, %v", user, p, want.home, err)
		}
	}
}

func TestCompileExecRefuses(t *testing.T) {
	for name, r := range map[string]spec.ExecRequest{
		"root":               {User: "root"},
		"root by number":     {User: "0"},
		"root by any name":   {User: "evil"},
		"the group root":     {User: "app:0"},
		"a user of it":       {User: "group"},
		"root with a group":  {User: "0:1000"},
		"nobody":             {User: "nobody"},
		"too large":          {User: "65536"},
		"no absolute path":   {WorkingDir: "srv"},
		"a path with a zero": {WorkingDir: "/a\x00b"},
		"no variable":        {Env: []string{"A"}},
		"no name":            {Env: []string{"=1"}},
		"a zero":             {Env: []string{"A=\x00"}},
		"no program":         {Args: []string{""}},
		"an argument's zero": {Args: []string{"sh", "a\x00"}},
	} {
		if r.Args == nil {
			r.Args = []string{"sh"}
		}
		r.Passwd, r.Group = []byte(execPasswd), []byte(execGroup)
		p, err := spec.CompileExec(firstProcess(), r)
		if err == nil || problem.HintOf(err) == "" || strings.ContainsAny(err.Error(), "\x00\n") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	plan := firstProcess()
	plan.RootAllowed = true
	p, err := spec.CompileExec(plan, spec.ExecRequest{Args: []string{"sh"}, User: "root", Passwd: []byte(execPasswd)})
	if err != nil || p.User.UID != 0 || !slices.Contains(p.Env, "HOME=/root") {
		t.Errorf("root where it may be: %+v, %v", p, err)
	}
}

// FuzzCompileExec: the accounts are the container's. Whatever they say, nobody
// becomes root by them.
func FuzzCompileExec(f *testing.F) {
	f.Add("app", execPasswd, execGroup)
	f.Add("evil:root", execPasswd, execGroup)
	f.Add("0", "", "")
	f.Fuzz(func(t *testing.T, user, passwd, group string) {
		p, err := spec.CompileExec(firstProcess(), spec.ExecRequest{
			Args: []string{"sh"}, User: user, Passwd: []byte(passwd), Group: []byte(group),
		})
		if err != nil {
			return
		}
		if p.User.UID == 0 || p.User.GID == 0 || slices.Contains(p.User.AdditionalGids, 0) {
			t.Errorf("%q became %+v", user, p.User)
		}
	})
}
