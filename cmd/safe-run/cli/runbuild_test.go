package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// withFiles changes to a directory of the test's own that has these files.
func withFiles(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Chdir(dir)
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestEveryFlag gives each flag once and looks at what becomes of it, so that
// a flag which is accepted and forgotten fails.
func TestEveryFlag(t *testing.T) {
	dir := withFiles(t, map[string]string{"env": "A=1\n", "labels": "k=v\n"})
	tests := map[string]struct {
		args string
		got  func(runOptions) any
		want string
	}{
		"profile":       {"--profile web", func(o runOptions) any { return o.Profile }, "web"},
		"accept":        {"--accept seccomp", func(o runOptions) any { return o.Layer.Accept }, "[{seccomp asked for with --accept on the command line}]"},
		"cap-add":       {"--cap-add cap_net_raw", func(o runOptions) any { return o.Layer.Process.Capabilities }, "[{NET_RAW asked for with --cap-add on the command line}]"},
		"cap-drop":      {"--cap-drop net_raw --cap-drop all --cap-drop ALL", func(o runOptions) any { return o.CapDrop }, "[NET_RAW ALL]"},
		"read-only":     {"--read-only=false", func(o runOptions) any { return fmt.Sprint(*o.Layer.Rootfs.ReadOnly, " ", o.Layer.Rootfs.Why) }, "false asked for with --read-only on the command line"},
		"security-opt":  {"--security-opt no-new-privileges", func(o runOptions) any { return len(o.Layer.Origins) }, "0"},
		"env":           {"-e B=2 --env B=3 --env-file env", func(o runOptions) any { return o.Request.Env }, "[A=1 B=2 B=3]"},
		"env-file":      {"-e A=2 --env-file env", func(o runOptions) any { return o.Request.Env }, "[A=1 A=2]"},
		"workdir":       {"-w /a/../b", func(o runOptions) any { return o.Request.WorkingDir }, "/b"},
		"user":          {"-u 5:6", func(o runOptions) any { return o.Request.User }, "5:6"},
		"entrypoint":    {"--entrypoint /bin/x", func(o runOptions) any { return *o.Request.Entrypoint }, "/bin/x"},
		"hostname":      {"--hostname h", func(o runOptions) any { return o.Request.Hostname }, "h"},
		"label":         {"-l a=b=c -l d", func(o runOptions) any { return o.Request.Labels }, "map[a:b=c d:]"},
		"label-file":    {"-l k=w --label-file labels -l x=y", func(o runOptions) any { return o.Request.Labels }, "map[k:w x:y]"},
		"init":          {"--init", func(o runOptions) any { return *o.Layer.Process.Init }, "true"},
		"oom-score-adj": {"--oom-score-adj 500", func(o runOptions) any { return *o.Layer.Process.OOMScoreAdj }, "500"},
		"volume":        {"-v .:/x:ro -v data:/y:exec", func(o runOptions) any { return formatVolume(o.Request.Binds[0]) + formatNamed(o.Request.Volumes[0]) }, dir + ":/x:rodata:/y:rw,exec"},
		"mount":         {"--mount type=tmpfs,target=/x --mount src=.,dst=/y,exec", func(o runOptions) any { return o.Layer.Mounts.Tmpfs[0].Path + formatVolume(o.Request.Binds[0]) }, "/x" + dir + ":/y:rw,exec"},
		"tmpfs":         {"--tmpfs /x:size=1m", func(o runOptions) any { return formatTmpfs(o.Layer.Mounts.Tmpfs[0]) }, "/x:size=1MiB"},
		"shm-size":      {"--shm-size 128m", func(o runOptions) any { return formatTmpfs(o.Layer.Mounts.Tmpfs[0]) }, "/dev/shm:size=128MiB"},
		"publish":       {"-p 1:2 -p 3-4:5-6", func(o runOptions) any { return len(o.Request.Publish) }, "3"},
		"egress":        {"--egress internet:443", func(o runOptions) any { return o.Layer.Network.Egress }, "[internet 443/tcp]"},
		"network":       {"--network bridge", func(o runOptions) any { return fmt.Sprint(*o.Layer.Network.Mode, len(o.Layer.Seccomp.AddressFamilies)) }, "bridge2"},
		"net":           {"--net none", func(o runOptions) any { return *o.Layer.Network.Mode }, "none"},
		"expose":        {"--expose 80/tcp", func(o runOptions) any { return len(o.Request.Publish) }, "0"},
		"memory":        {"-m 1.5g", func(o runOptions) any { return o.Layer.Resources.Memory }, "1536MiB"},
		"memory-swap":   {"--memory-swap 3m -m 1m", func(o runOptions) any { return o.Layer.Resources.Swap }, "2MiB"},
		"cpus":          {"--cpus 0.5", func(o runOptions) any { return o.Layer.Resources.CPUs }, "0.5"},
		"pids-limit":    {"--pids-limit 9", func(o runOptions) any { return *o.Layer.Resources.Pids }, "9"},
		"ulimit":        {"--ulimit nofile=5", func(o runOptions) any { return formatUlimit(o.Layer.Process.Rlimits[0]) }, "nofile=5:5"},
		"cgroup-parent": {"--cgroup-parent /x", func(o runOptions) any { return o.Request.CgroupParent }, "/x"},
		"interactive":   {"-i", func(o runOptions) any { return o.Stdin }, "true"},
		"tty":           {"-t", func(o runOptions) any { return o.TTY && o.Request.Terminal }, "true"},
		"pull":          {"--pull always", func(o runOptions) any { return o.Pull }, "always"},
		"name":          {"--name n", func(o runOptions) any { return o.Name }, "n"},
		"cidfile":       {"--cidfile c", func(o runOptions) any { return o.CIDFile }, "c"},
		"stop-signal":   {"--stop-signal int", func(o runOptions) any { return *o.Layer.Process.StopSignal }, "SIGINT"},
		"stop-timeout":  {"--stop-timeout 3", func(o runOptions) any { return o.Layer.Process.StopTimeout }, "3s"},
		"detach-keys":   {"--detach-keys ctrl-a", func(o runOptions) any { return o.DetachKeys }, "[1]"},
		"sig-proxy":     {"--sig-proxy=false", func(o runOptions) any { return o.SigProxy }, "false"},
		"rm":            {"--rm", func(o runOptions) any { return *o.AutoRemove }, "true"},
		"detach":        {"-d --restart always -e B=2 --env-file env --name n -m 1g", func(o runOptions) any { return o.Again }, "[--env=A=1 --env=B=2 --memory=1g -- img arg --memory]"},
		"restart":       {"-d --restart on-failure:3", func(o runOptions) any { return o.Restart }, "{on-failure 3}"},
		"sdnotify":      {"--sdnotify conmon", func(o runOptions) any { return o.SDNotify }, "runtime"},
		"log-opt":       {"-d --log-opt max-size=1m --log-opt max-file=2", func(o runOptions) any { return o.Log }, "{1048576 2}"},
		"log-driver":    {"--log-driver json-file", func(o runOptions) any { return o.Log }, "{0 0}"},
		"quiet":         {"-q", func(o runOptions) any { return o.Quiet }, "true"},
		"explain":       {"--explain", func(o runOptions) any { return o.Explain }, "true"},
	}
	maps.Copy(tests, healthFlags)
	for _, f := range runFlags {
		if f.name == "pool" {
			continue // TestPoolFlag: nothing of what follows is an image
		}
		test, ok := tests[f.name]
		if !ok {
			t.Errorf("--%s has no test", f.name)
			continue
		}
		o, err := parseRun(append(strings.Fields(test.args), "img", "arg", "--memory"))
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		if got := fmt.Sprint(test.got(o)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.args, got, test.want)
		}
		if o.Image != "img" || !slices.Equal(o.Request.Args, []string{"arg", "--memory"}) {
			t.Errorf("%s: image %q, arguments %q", test.args, o.Image, o.Request.Args)
		}
	}
}

// TestOrigins: what a flag sets in the policy names the flag.
func TestOrigins(t *testing.T) {
	o, err := parseRun(strings.Fields("-m 1g --memory-swap 2g --cap-add KILL --tmpfs /x --ulimit core=1 --egress internet --network bridge --health-cmd x --health-interval 1s img"))
	if err != nil {
		t.Fatal(err)
	}
	for path, flag := range map[string]string{
		"resources.memory": "--memory", "resources.swap": "--memory-swap", "process.capabilities[KILL]": "--cap-add",
		"mounts.tmpfs[/x].size": "--tmpfs", "process.rlimits[core]": "--ulimit", "network.egress[internet]": "--egress",
		"health.test": "--health-cmd", "health.interval": "--health-interval", "health.disabled": "--health-cmd",
		"network.mode": "--network", "seccomp.addressFamilies[AF_INET]": "--network",
	} {
		if got := o.Layer.Origin(path).Source; got != "flag "+flag {
			t.Errorf("%s comes from %q", path, got)
		}
	}
}

func TestRunErrors(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	tests := []struct{ args, want, hint string }{
		{"", "no image is named", "oci:./myapp"},
		{"-m 0 img", "--memory: 0 would be without a limit", "512m"},
		{"-m -1 img", "--memory: -1 would be without a limit", "512m"},
		{"-m lots img", `--memory: "lots" is not a size`, "64MiB"},
		{"--cpus 0 img", "--cpus: 0 would be without a limit", "0.5"},
		{"--pids-limit -1 img", "--pids-limit: -1 would be without a limit", "512"},
		{"--memory-swap 1g img", "--memory-swap counts memory and swap together, and says nothing alone", "--memory"},
		{"-m 2g --memory-swap 1g img", "--memory-swap 1GiB is less than --memory 2GiB", "--memory"},
		{"--memory-swap -1 img", "--memory-swap: -1 would be without a limit", "512m"},
		{"--cap-add ALL img", "--cap-add ALL is refused: root in a container with every capability reaches nearly all code of the kernel", "NET_ADMIN"},
		{"--cap-add NET_ADMN img", `--cap-add: unknown capability "NET_ADMN", did you mean "NET_ADMIN"?`, "capabilities(7)"},
		{"--health-cmd= img", "--health-cmd: the command is empty", "text for the shell"},
		{"--health-interval -1s img", `--health-interval: "-1s" is not a time span`, "10s"},
		{"--health-retries -1 img", "--health-retries: -1 is not from 0 to 2147483647", ""},
		{"--health-cmd x --no-healthcheck img", "--no-healthcheck runs no check, and --health-* says how to", "one of them"},
		{"--oom-score-adj -5 img", "--oom-score-adj -5 is refused: the kernel would kill the host's other processes before this container", "--memory"},
		{"--stop-signal SIGNOPE img", `--stop-signal: "SIGNOPE" is not a signal`, "SIGTERM"},
		{"--stop-timeout -1 img", "--stop-timeout: -1 is not from 0 to 2147483647", ""},
		{"--rm=false img", "--rm: a container in the foreground leaves nothing behind when it ends", "-d"},
		{"--restart always img", "--restart: a container in the foreground ends with its launcher", "-d"},
		{"-d --rm --restart always img", "--rm removes the container when it ends, and --restart starts it again", "leave one"},
		{"-d --restart sometimes img", `--restart: "sometimes" is not a restart policy`, "unless-stopped"},
		{"-d --restart always:3 img", "--restart: only on-failure takes a number of attempts", "on-failure:3"},
		{"-d --restart on-failure:-1 img", `--restart: "-1" is not a number of attempts`, "on-failure:3"},
		{"-d --log-opt max-size=-1 img", "--log-opt: a log without a bound can fill the disk", "max-size=100m"},
		{"-d --log-opt max-size=1 img", "--log-opt: max-size 1 has no room for a line", "max-size=1k"},
		{"-d --log-opt max-file=0 img", `--log-opt: "0" is not a number of files`, "max-file=3"},
		{"-d --log-opt tag=x img", `--log-opt: "tag" is not an option of the log`, "max-size"},
		{"--log-opt max-file=1 img", "--log-opt: a container in the foreground has no log", "-d"},
		{"-d --log-driver syslog img", "--log-driver syslog is refused: a detached container's log is a file, in docker's json-file format", "safe-run logs"},
		{"--tty=maybe img", `--tty: "maybe" is neither true nor false`, "=true"},
		{"--expose 80:80 img", `--expose: "80:80" maps a port, which --expose does not`, "-p"},
		{"--network host img", "--network host is refused: the container could reach everything that listens on the host, and watch its traffic", "--egress"},
		{"--network container:x img", "--network container:x is refused: containers are kept apart: one that is taken over must not reach another", "-p"},
		{"--network mynet img", `--network: there is no network "mynet"`, "bridge"},
		{"--security-opt seccomp=unconfined img", "--security-opt seccomp is refused: the system calls that are allowed belong to the profile", "seccomp.allow"},
		{"--security-opt no-new-privileges:false img", "--security-opt no-new-privileges=false is refused: setuid programs would be a way to root", "always on"},
		{"-e B\tAD=hunter2 img", `--env: "B\tAD" is not the name of a variable`, "NAME=value"},
		{"--user= img", "--user: the value is empty", "leave the flag out"},
		{"-w here img", `--workdir: the container path "here" is not absolute`, "/data"},
		{"--memroy 1g img", "there is no flag --memroy", "--memory"},
		{"-Z img", "there is no flag -Z", "--help"},
		{"--cidfile /dev/null img", `--cidfile: "/dev/null" is there already`, "new file"},
		{"img -m", "", ""},
		{"-p", "--publish needs a value", "-p"},
	}
	for _, test := range tests {
		_, err := parseRun(splitSpaces(test.args))
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.args, err)
			}
			continue
		}
		if fmt.Sprint(err) != test.want {
			t.Errorf("%s: got %v, want %s", test.args, err, test.want)
		}
		if hint := problem.HintOf(err); hint == "" || !strings.Contains(hint, test.hint) {
			t.Errorf("%s: the hint is %q", test.args, hint)
		}
		if strings.Contains(fmt.Sprint(err)+problem.HintOf(err), "hunter2") {
			t.Errorf("%s: the error shows the secret", test.args)
		}
	}
}

func splitSpaces(line string) []string {
	if line == "" {
		return nil
	}
	return strings.Split(line, " ")
}

// TestRefusedFlags: each one explains itself, with a way out.
func TestRefusedFlags(t *testing.T) {
	for _, r := range refusedFlags {
		args := []string{"--" + r.name}
		if r.arg != "" {
			args = append(args, "value")
		}
		if slices.Contains(r.harmless, "true") {
			continue // asking for it is asking for what is the case anyway
		}
		_, err := parseRun(append(args, "img"))
		if err == nil || !strings.HasPrefix(err.Error(), "--"+r.name) || !strings.Contains(err.Error(), " is refused: ") {
			t.Errorf("%q: %v", args, err)
		}
		if r.why == "" || problem.HintOf(err) != r.instead || r.instead == "" {
			t.Errorf("%q: the hint is %q", args, problem.HintOf(err))
		}
		for _, value := range r.harmless {
			if _, err := parseRun([]string{"--" + r.name + "=" + value, "img"}); err != nil {
				t.Errorf("--%s=%s: %v", r.name, value, err)
			}
		}
	}
}

// TestDocker: every flag of docker run is either had or refused with a reason.
func TestDocker(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "docker-run-flags.txt"))
	if err != nil {
		t.Fatal(err)
	}
	scan := newScan()
	for _, name := range strings.Fields(string(data)) {
		if scan.Lookup(name) == nil {
			t.Errorf("docker run has --%s, and nothing is said about it", name)
		}
	}
}

func TestEnvIsPassedByName(t *testing.T) {
	t.Setenv("GIVEN", "x")
	o, err := parseRun([]string{"-e", "GIVEN", "-e", "SURELY_NOT_SET_ANYWHERE", "img"})
	if err != nil || !slices.Equal(o.Request.Env, []string{"GIVEN=x"}) {
		t.Errorf("got %q, %v", o.Request.Env, err)
	}
	if o, err = parseRun([]string{"img"}); err != nil || len(o.Request.Env) != 0 {
		t.Errorf("without -e: %q, %v", o.Request.Env, err)
	}
}

func TestLayerLeavesOpenWhatNoFlagSets(t *testing.T) {
	o, err := parseRun([]string{"img"})
	if err != nil {
		t.Fatal(err)
	}
	if changes := profiles.Diff(profiles.Profile{}, o.Layer); len(changes) > 0 {
		t.Errorf("without flags the layer sets %+v", changes)
	}
}
