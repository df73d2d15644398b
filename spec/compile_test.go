package spec_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func ptr[T any](v T) *T { return &v }

func allowRoot(in *spec.Input) {
	in.Profile.Process.Root = &profiles.Allowance{Allow: ptr(true), Why: "tested"}
}

// TestCoreHandlers: a host that hands crashes to a program of its own does not
// get those of containers, where the launcher can help it.
func TestCoreHandlers(t *testing.T) {
	for _, c := range []struct {
		handler bool
		own     uint64
		caps    []string
		want    uint64
	}{
		{false, spec.RlimInfinity, nil, 0},
		{true, spec.RlimInfinity, nil, 1},
		{true, 1, nil, 1},
		{true, 0, nil, 0},
		{true, 0, []string{"SYS_RESOURCE"}, 1},
	} {
		in := input(t, "default")
		in.Host.CoreHandler, in.Host.Rlimits["core"] = c.handler, c.own
		in.Host.Capabilities = append(in.Host.Capabilities, c.caps...)
		for _, r := range compile(t, in).OCI.Process.Rlimits {
			if r.Type == "RLIMIT_CORE" && (r.Soft != c.want || r.Hard != c.want) {
				t.Errorf("%+v: the limit is %d:%d", c, r.Soft, r.Hard)
			}
		}
	}
	in := input(t, "default")
	in.Host.CoreHandler, in.Host.Rlimits["core"] = true, spec.RlimInfinity
	if d := decision(t, compile(t, in), "rlimit core"); d.Source != "host" || d.Why == "" {
		t.Errorf("nobody is told why: %+v", d)
	}
}

// TestRootCannotWriteBetweenHierarchies: the tmpfs that holds those of cgroup
// version 1 is read-only for who could write to it.
func TestRootCannotWriteBetweenHierarchies(t *testing.T) {
	for version, want := range map[int]bool{1: true, 2: false} {
		for _, root := range []bool{true, false} {
			in := input(t, "default")
			in.Host.Cgroup.Version = version
			if root {
				allowRoot(&in)
			}
			got := slices.Contains(compile(t, in).OCI.Linux.ReadonlyPaths, "/sys/fs/cgroup")
			if got != (want && root) {
				t.Errorf("version %d, root %v: read-only is %v", version, root, got)
			}
		}
	}
}

func TestUser(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*spec.Input)
		want   string // uid:gid home
		source string
	}{
		{"the image names none", func(*spec.Input) {}, "65532:65532 /home/nonroot", "default:"},
		{"the image names root", func(in *spec.Input) { in.Image.Config.User = "root" }, "65532:65532 /home/nonroot", "default:"},
		{"the image names a user", func(in *spec.Input) { in.Image.Config.User = "app" }, "1000:1000 /home/app", "image"},
		{"a bare number gets no root group", func(in *spec.Input) { in.Image.Config.User = "4000" }, "4000:65532 /", "image"},
		{"the image names group root", func(in *spec.Input) { in.Image.Config.User = "app:root" }, "1000:65532 /home/app", "image"},
		{"the profile insists", func(in *spec.Input) {
			in.Image.Config.User, in.Profile.Process.UserFrom = "app", ptr(profiles.UserFromProfile)
		}, "65532:65532 /home/nonroot", "default:"},
		{"asked for", func(in *spec.Input) { in.Request.User = "app" }, "1000:1000 /home/app", "flag --user"},
		{"asked for by number", func(in *spec.Input) { in.Request.User = "7" }, "7:65532 /", "flag --user"},
		{"root is allowed and the image's", allowRoot, "0:0 /root", "image"},
		{"root is allowed and asked for", func(in *spec.Input) {
			allowRoot(in)
			in.Image.Config.User, in.Request.User = "app", "root"
		}, "0:0 /root", "flag --user"},
	} {
		in := input(t, "default")
		c.change(&in)
		plan := compile(t, in)
		user, home := plan.OCI.Process.User, ""
		for _, v := range plan.OCI.Process.Env {
			if value, ok := strings.CutPrefix(v, "HOME="); ok {
				home = value
			}
		}
		got := userText(user) + " " + home
		d := decision(t, plan, "user")
		if got != c.want || !strings.HasPrefix(d.Source, c.source) {
			t.Errorf("%s: %s from %s, want %s from %s", c.what, got, d.Source, c.want, c.source)
		}
		if (user.UID == 0) != (d.Weakens != "") {
			t.Errorf("%s: weakens %q", c.what, d.Weakens)
		}
	}
}

func userText(u specs.User) string { return fmt.Sprintf("%d:%d", u.UID, u.GID) }

// decision finds the first decision about a setting.
func decision(t *testing.T, plan *spec.Plan, setting string) spec.Decision {
	t.Helper()
	i := slices.IndexFunc(plan.Decisions, func(d spec.Decision) bool { return d.Setting == setting })
	if i < 0 {
		t.Fatalf("there is no decision about %s", setting)
	}
	return plan.Decisions[i]
}

// TestRefused: what a person asks that cannot be had is one line and a hint.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*spec.Input)
		want   string
		hint   string
	}{
		{"root without leave", func(in *spec.Input) { in.Request.User = "0" }, "is root", "process: {root: {allow: true"},
		{"group root without leave", func(in *spec.Input) { in.Request.User = "app:0" }, "is root", "--user"},
		{"an unknown user", func(in *spec.Input) { in.Image.Config.User = "ghost" }, "ghost", "--user"},
		{"an id out of range", func(in *spec.Input) { in.Request.User = "70000" }, "70000", "--user"},
		{"no command", func(in *spec.Input) { in.Image.Config.Entrypoint, in.Image.Config.Cmd = nil, nil }, "no command", "safe-run IMAGE COMMAND"},
		{"an empty command", func(in *spec.Input) { in.Request.Entrypoint, in.Request.Args = ptr(""), []string{""} }, "no command", ""},
		{"a zero byte", func(in *spec.Input) { in.Request.Args = []string{"a\x00b"} }, "zero byte", ""},
		{"a long argument", func(in *spec.Input) { in.Request.Args = []string{strings.Repeat("a", 1<<17)} }, "longer", "file"},
		{"no variable", func(in *spec.Input) { in.Request.Env = []string{"NAME"} }, "NAME=VALUE", "-e"},
		{"a nameless variable", func(in *spec.Input) { in.Image.Config.Env = []string{"=x"} }, "image's environment", ""},
		{"a relative directory", func(in *spec.Input) { in.Request.WorkingDir = "app" }, "not an absolute", ""},
		{"a bad hostname", func(in *spec.Input) { in.Request.Hostname = "a\n127.0.0.1 bank" }, "hostname", ""},
		{"an order to systemd", func(in *spec.Input) {
			in.Request.Labels = map[string]string{"org.systemd.property.MemoryMax": "1"}
		}, "reserved", ""},
		{"a device", func(in *spec.Input) { in.Request.Devices = []string{"/dev/sda"} }, "/dev/sda", ""},
		{"a way out of the cgroup", func(in *spec.Input) { in.Request.CgroupParent = "/../.." }, "cgroup path", ""},
		{"a slice that is none", func(in *spec.Input) {
			in.Host = hostV2()
			in.Request.CgroupParent = "a:b.slice"
		}, "slice", ""},
		{"a published port without a network", func(in *spec.Input) {
			in.Request.Publish = []spec.Port{{ContainerPort: 80, Protocol: "tcp"}}
		}, "no network", "--profile web"},
		{"a volume over /proc", func(in *spec.Input) { in.Image.Config.Volumes = []string{"/proc/../proc/sys"} }, "volume", ""},
		{"root outside", func(in *spec.Input) {
			allowRoot(in)
			accept(in, profiles.WeakUserNamespace)
			in.Host.UserNamespaces = spec.No
		}, "root on the host", "--user"},
		{"a system call that cannot be filtered", func(in *spec.Input) {
			in.Profile.Seccomp.Allow = append(in.Profile.Seccomp.Allow, profiles.Syscall{Name: "clone3", Why: "tested"})
		}, "clone3", "@base"},
		{"a bad stop signal", func(in *spec.Input) { in.Image.Config.StopSignal = "SIGNOPE" }, "SIGNOPE", "--stop-signal"},
		{"an unaccepted loss", func(in *spec.Input) { in.Host.Seccomp = spec.No }, "cannot enforce", "--accept seccomp"},
	} {
		in := input(t, "default")
		c.change(&in)
		_, err := spec.Compile(in)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", c.what, err, c.want)
			continue
		}
		if !strings.Contains(problem.HintOf(err), c.hint) {
			t.Errorf("%s: hint %q, want one with %q", c.what, problem.HintOf(err), c.hint)
		}
	}
}

func TestCommand(t *testing.T) {
	for _, c := range []struct {
		what       string
		entrypoint *string
		args       []string
		want       string
	}{
		{"the image's", nil, nil, "/app/serve --port 8080"},
		{"arguments replace cmd", nil, []string{"--help"}, "/app/serve --help"},
		{"an entrypoint drops cmd", ptr("/bin/sh"), nil, "/bin/sh"},
		{"an entrypoint with arguments", ptr("/bin/sh"), []string{"-c", "true"}, "/bin/sh -c true"},
		{"no entrypoint", ptr(""), []string{"/bin/id"}, "/bin/id"},
	} {
		in := input(t, "default")
		in.Request.Entrypoint, in.Request.Args = c.entrypoint, c.args
		if got := strings.Join(compile(t, in).OCI.Process.Args, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	in := input(t, "default")
	in.Request.Env = []string{"LANG=de_DE", "EMPTY=", "A=1", "A=2=3"}
	in.Request.Terminal = true
	got := compile(t, in).OCI.Process.Env
	want := []string{
		"PATH=/app/bin:/usr/bin:/bin", "HOSTNAME=0123456789ab", "HOME=/home/nonroot", "TERM=xterm", "LANG=de_DE", "EMPTY=", "A=2=3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestSecretsAreNotDecisions: values of variables and arguments are in no
// decision, because decisions are printed and logged.
func TestSecretsAreNotDecisions(t *testing.T) {
	in := input(t, "default")
	in.Request.Env = []string{"TOKEN=hunter2"}
	in.Request.Args = []string{"--password", "hunter2"}
	for _, d := range compile(t, in).Decisions {
		if strings.Contains(d.Setting+d.Value+d.Source+d.Why+d.Weakens, "hunter2") {
			t.Errorf("%+v tells a secret", d)
		}
	}
}

func TestCapabilities(t *testing.T) {
	in := input(t, "default")
	if caps := compile(t, in).OCI.Process.Capabilities; caps == nil || len(caps.Bounding)+len(caps.Ambient) > 0 {
		t.Errorf("default leaves %+v", caps)
	}
	in.Profile.Process.Capabilities = []profiles.Capability{{Name: "NET_RAW", Why: "ping"}, {Name: "CHOWN", Why: "tar"}}
	in.Profile.Seccomp.AddressFamilies = []profiles.Family{{Name: "AF_INET", Why: "ping"}}
	plan := compile(t, in)
	caps, want := plan.OCI.Process.Capabilities, []string{"CAP_CHOWN", "CAP_NET_RAW"}
	for _, set := range [][]string{caps.Bounding, caps.Permitted, caps.Effective, caps.Inheritable, caps.Ambient} {
		if !slices.Equal(set, want) {
			t.Errorf("a set is %v, want %v", set, want)
		}
	}
	if d := decision(t, plan, "capabilities"); d.Weakens == "" || d.Why != "ping" {
		t.Errorf("%+v", d)
	}
}

// TestAccepted: each weakening that is accepted leaves the setting out, is
// named in the plan, and says what it gives up.
func TestAccepted(t *testing.T) {
	for _, c := range []struct {
		name  string
		lose  func(*spec.Host)
		check func(*spec.Plan) bool
	}{
		{profiles.WeakUserNamespace, func(h *spec.Host) { h.UserNamespaces = spec.No },
			func(p *spec.Plan) bool { return p.OCI.Linux.UIDMappings == nil && !p.Rootfs.IDMap }},
		{profiles.WeakIDMappedMounts, func(h *spec.Host) { h.OverlayIDMap = spec.No },
			func(p *spec.Plan) bool { return !p.Rootfs.IDMap }},
		{profiles.WeakSeccomp, func(h *spec.Host) { h.Seccomp = spec.No },
			func(p *spec.Plan) bool { return p.OCI.Linux.Seccomp == nil }},
		{profiles.WeakMemoryLimit, func(h *spec.Host) { h.Cgroup.Controllers = []string{"cpu", "pids"} },
			func(p *spec.Plan) bool { return p.OCI.Linux.Resources.Memory == nil && p.Limits.MemoryBytes == 0 }},
		{profiles.WeakSwapLimit, func(h *spec.Host) { h.Cgroup.SwapLimit, h.SwapTotal = false, 1<<30 },
			func(p *spec.Plan) bool { return p.OCI.Linux.Resources.Memory.Swap == nil }},
		{profiles.WeakCPULimit, func(h *spec.Host) { h.Cgroup.Controllers = []string{"memory", "pids"} },
			func(p *spec.Plan) bool { return p.OCI.Linux.Resources.CPU == nil }},
		{profiles.WeakPidsLimit, func(h *spec.Host) { h.Cgroup.Controllers = []string{"cpu", "memory"} },
			func(p *spec.Plan) bool { return p.OCI.Linux.Resources.Pids == nil && p.Limits.Pids == 0 }},
		{profiles.WeakRlimits, func(h *spec.Host) { h.Rlimits["nofile"] = 100 },
			func(p *spec.Plan) bool {
				return p.OCI.Process.Rlimits[1].Hard == 100 && p.OCI.Process.Rlimits[1].Soft == 100
			}},
	} {
		in := input(t, "default")
		c.lose(&in.Host)
		accept(&in, c.name)
		plan := compile(t, in)
		if !c.check(plan) || !slices.Equal(plan.Accepted, []string{c.name}) || decision(t, plan, c.name).Weakens == "" {
			t.Errorf("%s: accepted are %v", c.name, plan.Accepted)
		}
		// On a host that has all, an acceptance changes nothing.
		in.Host = hostV1()
		if plan := compile(t, in); plan.Accepted != nil {
			t.Errorf("%s: accepted without need", c.name)
		}
	}
}

// TestEveryDecisionHasASource, and what is weaker says so.
func TestEveryDecisionHasASource(t *testing.T) {
	for _, profile := range []string{"default", "web", "worker", "db", "batch", "shell"} {
		for _, d := range compile(t, input(t, profile)).Decisions {
			if d.Setting == "" || d.Value == "" || d.Source == "" {
				t.Errorf("%s: %+v", profile, d)
			}
		}
	}
}
