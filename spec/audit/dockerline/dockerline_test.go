package dockerline

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/problem"
)

// violated are the controls that a command line violates, beside those that every
// docker run violates.
func violated(t *testing.T, line string) []string {
	t.Helper()
	rules := func(line string) []string {
		facts, _, err := Read(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var out []string
		for _, f := range audit.Judge(facts) {
			if f.Verdict == audit.Violated && !slices.Contains(out, f.Rule) {
				out = append(out, f.Rule)
			}
		}
		return out
	}
	always := rules("docker run app")
	return slices.DeleteFunc(rules(line), func(r string) bool { return slices.Contains(always, r) })
}

func TestViolations(t *testing.T) {
	for line, want := range map[string][]string{
		"docker run --security-opt seccomp=unconfined app":             {"seccomp"},
		"docker run --security-opt=seccomp:unconfined app":             {"seccomp"},
		"docker run --security-opt apparmor=unconfined app":            {"lsm"},
		"docker run --security-opt label=disable app":                  {"lsm"},
		"docker run --security-opt systempaths=unconfined app":         {"masked-paths"},
		"podman run --pid=host app":                                    {"pid-namespace"},
		"docker run --ipc host app":                                    {"ipc-namespace"},
		"docker run --net=host app":                                    {"network-namespace"},
		"docker run --uts=host app":                                    {"other-namespaces"},
		"docker run -v /etc:/e:ro app":                                 {"host-mounts"},
		"docker run -itv/etc:/e app":                                   {"host-mounts"},
		"docker run --mount type=bind,src=/run/docker.sock,dst=/s app": {"runtime-socket"},
		"docker run -v /srv/x:/x:ro,rshared app":                       {"host-mounts", "propagation"},
		"docker run --device /dev/sda:/dev/xvda app":                   {"devices"},
		"docker run --gpus all app":                                    {"devices"},
		"docker run -p 80:80 app":                                      {"ports"},
		"docker run -p 127.0.0.1:8080:80/tcp -p '[::1]:8081:80' app":   nil,
		"docker run -p 0.0.0.0:8080:80 app":                            {"ports"},
		"docker run -P app":                                            {"ports"},
		"docker run --sysctl kernel.core_pattern=x app":                {"sysctls"},
		"docker run --tmpfs /tmp:size=1m app":                          nil,
		"docker run --tmpfs /tmp:exec,size=1m app":                     {"tmpfs"},
		"docker run --cgroup-parent=/x app":                            {"cgroup-placement"},
		"sudo docker container run --privileged app":                   {"seccomp", "masked-paths", "devices", "lsm"},
		"docker run --privileged=false app --privileged":               nil,
		"docker run data:/x app":                                       nil,
		"docker run -v data:/x app":                                    nil,
		"docker run \\\n  -v /:/host \\\n  app sh -c 'a; b'":           {"host-mounts", "runtime-socket"},
	} {
		if d := cmp.Diff(want, violated(t, line), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", line, d)
		}
	}
}

// TestHardened: what docker can do, said in full, leaves what docker cannot say.
func TestHardened(t *testing.T) {
	facts, warnings, err := Read("docker run --read-only --cap-drop ALL --security-opt no-new-privileges --user 65532:65532 --memory 64m --cpus 1 --pids-limit 64 " +
		"--ulimit core=0 --log-opt max-size=1m --network none --userns=auto --tmpfs /tmp:size=8m app@sha256:abc")
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	for _, f := range audit.Judge(facts) {
		if f.Verdict == audit.Violated {
			t.Errorf("%s is violated: %s", f.Rule, f.What)
		}
	}
}

func TestUsers(t *testing.T) {
	for user, root := range map[string]bool{"0": true, "00": true, "root": true, "0:5": true, ":5": true, "root:root": true, "5": false, "app": false, "65532:0": false} {
		facts, _, err := Read("docker run -u " + user + " app")
		if err != nil || facts.Root.Is != root {
			t.Errorf("--user %s: root %t, %v", user, facts.Root.Is, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for line, says := range map[string]string{
		"": "no docker", "docker": "only docker run", "docker ps": "only docker run", "nginx": "no docker", "docker run": "no image", "docker run -it": "no image",
		"docker run --nonsense app": "--nonsense", "docker run -z app": "-z", "docker run --volume": "needs a value", "docker run app; rm -rf /": "shell's",
		"docker run 'app": "not closed", "docker run app\ndocker run app": "more than one", "docker run app > /dev/null": "shell's", "docker run # app": "comment",
		strings.Repeat("docker run ", 20_000): "longer",
	} {
		_, _, err := Read(line)
		if err == nil || !strings.Contains(err.Error(), says) || problem.HintOf(err) == "" && says != "longer" {
			t.Errorf("%.60q: %v, hint %q; want %q", line, err, problem.HintOf(err), says)
		}
	}
	_, warnings, err := Read(`docker run -v "$PWD":/x app`)
	if err != nil || len(warnings) != 1 {
		t.Errorf("a variable: %q, %v", warnings, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"docker run -it --rm -v /a:/b:ro -p 1:2 app", `docker run "a\"b" 'c'`, "docker run --mount type=tmpfs,tmpfs-size=1 a", "docker run -p [::1]:80:80 a", "docker run --user=: a", "docker run -p ::: a", "docker run --security-opt = a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		facts, _, err := Read(line)
		if err != nil {
			return
		}
		if facts.Image.Is == "" {
			t.Errorf("%q has no image", line)
		}
		audit.Judge(facts)
	})
}
