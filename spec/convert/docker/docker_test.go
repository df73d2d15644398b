package docker

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/problem"
)

var errNoFile = errors.New("no such file")

func noFiles(string) ([]byte, error) { return nil, errNoFile }

func TestFlagsAreDocker(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range flags {
		ways := 0
		for _, yes := range []bool{f.same, f.missing != "", f.set != nil} {
			if yes {
				ways++
			}
		}
		if ways != 1 {
			t.Errorf("--%s is read in %d ways", f.name, ways)
		}
		if seen[f.name] || f.short != "" && seen[f.short] {
			t.Errorf("--%s is there twice", f.name)
		}
		seen[f.name], seen[f.short] = true, f.short != ""
	}
}

func TestConvert(t *testing.T) {
	for _, test := range []struct {
		line string
		// told are kind and setting of what must be in the report.
		told []string
		run  string
	}{
		{"docker run nginx", []string{"tightened user", "tightened cap-drop", "tightened no-new-privileges", "tightened read-only", "tightened network", "tightened memory"}, "-- nginx"},
		{"docker -H tcp://x container run -it --rm nginx sh", nil, "--interactive=true --tty=true --rm=true -- nginx sh"},
		{"podman run -p80:8080 -eA=b nginx", []string{"kept --publish"}, "--publish=80:8080 --env=A=b -- nginx"},
		{"run --privileged nginx", []string{"tightened --privileged"}, ""},
		{"docker run --cap-add=ALL nginx", []string{"tightened --cap-add"}, ""},
		{"docker run --cap-add=sys_admin nginx", []string{"kept --cap-add"}, ""},
		{"docker run -v /:/host nginx", []string{"tightened --volume"}, "-- nginx"},
		{"docker run -v /srv/a:/a:ro,z nginx", nil, "--volume=/srv/a:/a:ro -- nginx"},
		{"docker run -v /srv/a:/a nginx", []string{"kept --volume"}, "--volume=/srv/a:/a -- nginx"},
		{"docker run --mount type=bind,src=/run/docker.sock,dst=/s nginx", []string{"tightened --mount"}, "-- nginx"},
		{"docker run --pid=host --ipc=host --uts=host --userns=host --cgroupns=host nginx", []string{"tightened --pid", "tightened --ipc", "tightened --uts", "tightened --userns", "tightened --cgroupns"}, ""},
		{"docker run --net=host nginx", []string{"tightened --net"}, ""},
		{"docker run --device /dev/kvm nginx", []string{"tightened --device"}, ""},
		{"docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined nginx", []string{"tightened security-opt seccomp", "missing security-opt apparmor"}, ""},
		{"docker run --user root nginx", []string{"tightened --user"}, ""},
		{"docker run --user www nginx", nil, "--user=www -- nginx"},
		{"docker run --entrypoint sh nginx -c true", nil, "--entrypoint=sh -- nginx -c true"},
		{"docker run --cpu-shares 5 nginx", []string{"missing --cpu-shares"}, ""},
		{"docker run --oom-score-adj -500 nginx", []string{"tightened --oom-score-adj"}, ""},
		{"docker run --memory-swap -1 --memory 1g nginx", []string{"tightened --memory-swap"}, ""},
		{"docker run --tmpfs /x:exec,size=1m nginx", []string{"kept --tmpfs"}, ""},
	} {
		r, err := Convert(strings.Fields(test.line), noFiles)
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		for _, want := range test.told {
			if !slices.ContainsFunc(r.Findings, func(f convert.Finding) bool { return want == string(f.Kind)+" "+f.Setting }) {
				t.Errorf("%s: the report has no %q: %+v", test.line, want, r.Findings)
			}
		}
		if got := strings.Join(r.Run, " "); test.run != "" && got != test.run {
			t.Errorf("%s: run %q, want %q", test.line, got, test.run)
		}
	}
}

func TestBadLines(t *testing.T) {
	for line, want := range map[string]string{
		"":                                             "no image",
		"docker ps":                                    "not docker run",
		"docker run":                                   "no image",
		"docker run --no-such-flag x":                  "no flag",
		"docker run --memory":                          "no value",
		"docker run --memory lots x":                   "size",
		"docker run --privileged=maybe x":              "neither true nor false",
		"docker run -Z x":                              "no flag",
		"docker run --tmpfs relative x":                "not a place",
		"docker run -v a:b:c:d x":                      "not a mount",
		"docker run --security-opt wat=1 x":            "no option",
		"docker run --ulimit nofile x":                 "limit",
		"docker run --cpus many x":                     "processors",
		"docker run --mount type=bind x":               "no place",
		"docker run --stop-signal SIGWAT x":            "signal",
		"docker run --memory 2g --memory-swap 1g x":    "less than",
		"docker run --security-opt seccomp=/nowhere x": "no such file",
		"docker run --ulimit wat=1 x":                  "unknown resource limit",
	} {
		_, err := Convert(strings.Fields(line), noFiles)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
		} else if problem.HintOf(err) == "" && !strings.Contains(line, "wat=1 x") {
			t.Errorf("%q: no hint with %v", line, err)
		}
	}
	if _, err := Convert([]string{"docker", "run", "x\x00y"}, noFiles); err == nil {
		t.Error("a zero byte is taken")
	}
}

// FuzzConvert: whatever is written, no panic, and what comes out is a profile.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		"docker run nginx", "docker run --tmpfs /a:size=1m,mode=0700 --ulimit core=-1 -m 1 x", "podman run --security-opt mask=/a:/b x",
		"run --tmpfs /\x1c x", "run -itd --cpu-quota=-5 --cpu-period 0 x", "docker run --mount type=tmpfs,dst=/x,tmpfs-size=1 x", "docker run --health-cmd [\"CMD\",\"a\"] x",
		"docker run -p [::1]:80:80 -p 80-90:80-90 x", "docker run --user 99999999999:0 x", "docker run --pids-limit -1 --cpus 0.0001 x", "docker run -- x",
		"docker run --tmpfs /proc/x x", "docker run --tmpfs /a --tmpfs /a x", "docker run --cap-add chown --cap-add CAP_CHOWN x",
	} {
		f.Add(strings.ReplaceAll(seed, " ", "\n"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := Convert(strings.Split(line, "\n"), noFiles)
		if err != nil {
			return
		}
		text, err := profiles.Encode(r.Profile)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := profiles.Decode("x.yaml", text); err != nil {
			t.Fatalf("%q became no profile: %v\n%s", line, err, text)
		}
	})
}

func FuzzReadFilter(f *testing.F) {
	for _, seed := range []string{
		`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","socket"],"action":"SCMP_ACT_ALLOW"}]}`, `{`, `[]`, `{"syscalls":{}}`,
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"mount","action":"SCMP_ACT_ERRNO"}]}`, `{"syscalls":[{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = convert.ReadFilter("f", data)
	})
}
