package nomad

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/exporttest"
	"github.com/safe-run/safe-run/spec/quote/quotetest"
)

// read takes a job apart: values by the path of blocks that lead to them, and
// several where there are several blocks. It knows what the export writes: one
// thing a line, because no string holds the end of one.
func read(t interface {
	Errorf(string, ...any)
}, text string) map[string][]string {
	out := map[string][]string{}
	var path []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "#"):
		case strings.HasSuffix(line, " {"):
			head, _, _ := strings.Cut(line, " ")
			path = append(path, head)
		case line == "}" && len(path) > 0:
			path = path[:len(path)-1]
		default:
			key, value, ok := strings.Cut(line, " = ")
			if !ok {
				t.Errorf("%s is no line of a job", line)
			}
			at := strings.Join(append(slices.Clone(path), key), ".")
			out[at] = append(out[at], value)
		}
	}
	if len(path) > 0 {
		t.Errorf("%v is not closed", path)
	}
	return out
}

var oneString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// texts are the strings in the values at a path.
func texts(t interface{ Errorf(string, ...any) }, values []string) (out []string) {
	for _, v := range values {
		for _, s := range oneString.FindAllString(v, -1) {
			text, err := quotetest.HCLString(s)
			if err != nil {
				t.Errorf("%s: %v", s, err)
			}
			out = append(out, text)
		}
	}
	return out
}

func input(name string) export.Input { return exporttest.Input(exporttest.Profile(name)) }

func job(t *testing.T, in export.Input) (map[string][]string, []export.Loss) {
	t.Helper()
	r, err := Export(in)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, string(r.Files[0].Data)), r.Losses
}

const task = "job.group.task."

func TestJob(t *testing.T) {
	in := exporttest.Input(exporttest.Whole())
	in.Replicas = 3
	in.Command, in.Args, in.Env = []string{"/bin/app", "-x"}, []string{"a b"}, []string{"A=1", "B.C=2", "A=3"}
	in.Publish = []export.Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, {HostPort: 8080, ContainerPort: 80, Protocol: "udp"}, {ContainerPort: 81, Protocol: "tcp"}}
	got, _ := job(t, in)
	for path, want := range map[string][]string{
		"job.group.count": {"3"}, "job.group.network.port.to": {"80", "81"}, "job.group.network.port.static": {"8080"},
		task + "config.ports": {`["port-80-8080", "port-81"]`}, task + "user": {`"1234:5678"`}, task + "kill_signal": {`"SIGQUIT"`}, task + "kill_timeout": {`"2s"`},
		task + "config.entrypoint": {`["/bin/app", "-x"]`}, task + "config.args": {`["a b"]`}, task + "config.readonly_rootfs": {"true"},
		task + "config.cap_drop": {`["all"]`}, task + "config.cap_add": {`["chown", "net_bind_service"]`},
		task + "config.security_opt": {`["no-new-privileges", "seccomp=/etc/safe-run/seccomp/app.json"]`}, task + "config.pids_limit": {"50"}, task + "config.init": {"true"},
		task + "config.network_mode": {`"bridge"`}, task + "config.ulimit.nproc": {`"10:20"`}, task + "config.ulimit.core": {`"0:0"`},
		task + "resources.memory": {"100"}, task + "resources.cpu": {"500"}, task + "env.\"A\"": {`"3"`}, task + "env.\"B.C\"": {`"2"`},
		"job.group.service.check.command": {`"/bin/check"`}, "job.group.service.check.args": {`["--fast"]`}, "job.group.service.check.interval": {`"5s"`},
	} {
		if !slices.Equal(got[path], want) {
			t.Errorf("%s is %q, want %q", path, got[path], want)
		}
	}
	if !slices.Contains(texts(t, got[task+"config.mount.target"]), "/work") {
		t.Errorf("no tmpfs: %q", got)
	}
	got, _ = job(t, input("batch"))
	if got[task+"config.network_mode"][0] != `"none"` || got["job.group.service.name"] != nil || got[task+"config.ports"] != nil {
		t.Errorf("%q", got)
	}
}

// TestNothingIsWorkedOut: what was typed comes out again, and what the clients
// would replace all the same is told.
func TestNothingIsWorkedOut(t *testing.T) {
	word := rapid.StringOf(rapid.RuneFrom([]rune("ab ${}%\"\\\n#=,[]~.é")))
	rapid.Check(t, func(r *rapid.T) {
		in := input("shell")
		in.Args = rapid.SliceOfN(word, 1, 4).Draw(r, "args")
		value := word.Draw(r, "value")
		in.Env, in.Command = []string{"A=" + value}, []string{"/x" + word.Draw(r, "command")}
		result, err := Export(in)
		if err != nil {
			r.Fatal(err)
		}
		got := read(r, string(result.Files[0].Data))
		if args := texts(r, got[task+"config.args"]); !slices.Equal(args, in.Args) {
			r.Errorf("%q became %q", in.Args, args)
		}
		if env := texts(r, got[task+"env.A"]); !slices.Equal(env, []string{value}) {
			r.Errorf("%q became %q", value, env)
		}
	})
	in := input("default")
	in.Args = []string{"${NOMAD_TASK_DIR}", "$HOME", "${a b}"}
	_, losses := job(t, in)
	if i := slices.IndexFunc(losses, func(l export.Loss) bool { return l.Setting == "text" }); i < 0 || losses[i].Value != "${NOMAD_TASK_DIR}" {
		t.Errorf("%v", losses)
	}
}

func TestLimits(t *testing.T) {
	in := input("default")
	in.Profile.Resources.Memory, in.Profile.Resources.CPUs = new(profiles.Bytes(100<<20+1)), new(profiles.MilliCPU(250))
	got, losses := job(t, in)
	if got[task+"resources.memory"][0] != "100" || got[task+"resources.cpu"][0] != "250" || !export.Covers(losses, "resources.memory") {
		t.Errorf("%q", got)
	}
	in.Profile.Resources.Memory = new(profiles.Bytes(8 << 20))
	got, losses = job(t, in)
	if got[task+"resources.memory"][0] != "10" || !slices.ContainsFunc(losses, func(l export.Loss) bool { return l.Setting == "resources.memory" && l.Severity == export.Weaker }) {
		t.Errorf("%q", got)
	}
	in.Profile.Process.Rlimits = []profiles.Rlimit{{Name: "as", Soft: new(int64(1 << 30)), Hard: new(int64(1 << 30))}}
	if _, err := Export(in); err == nil || !strings.Contains(err.Error(), "rlimits[as]") {
		t.Errorf("%v", err)
	}
}

// TestMode: who is not root can write to a tmpfs that belongs to root.
func TestMode(t *testing.T) {
	in := input("web")
	got, losses := job(t, in)
	if !slices.Equal(got[task+"config.mount.tmpfs_options.mode"], []string{"1023 # 1777", "1023 # 1777", "1023 # 1777"}) || !export.Covers(losses, "mounts.tmpfs[/run].mode") {
		t.Errorf("%q", got[task+"config.mount.tmpfs_options.mode"])
	}
	in.Profile.Process.Root, in.Image.User = &profiles.Allowance{Allow: new(true), Why: "r"}, "0"
	if got, _ = job(t, in); !slices.Contains(got[task+"config.mount.tmpfs_options.mode"], "493 # 0755") {
		t.Errorf("%q", got[task+"config.mount.tmpfs_options.mode"])
	}
}
