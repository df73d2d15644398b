package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// policyOf resolves the policy of a command line, on a machine without an
// administrator's floor.
func policyOf(t *testing.T, line string) (profiles.Profile, error) {
	t.Helper()
	defer func(dir string) { policies.Here.Etc = dir }(policies.Here.Etc)
	policies.Here.Etc = t.TempDir()
	o, err := parseRun(append(strings.Fields(line), "img"))
	if err != nil {
		t.Fatal(err)
	}
	return resolvePolicy(o)
}

func TestFlagsOverProfile(t *testing.T) {
	tests := []struct {
		line string
		got  func(profiles.Profile) any
		want string
	}{
		{"", func(p profiles.Profile) any { return p.Resources.Memory }, "512MiB"},
		{"-m 1g", func(p profiles.Profile) any { return p.Resources.Memory }, "1GiB"},
		{"-m 1g", func(p profiles.Profile) any { return p.Origin("resources.memory").Source }, "flag --memory"},
		{"-m 1g", func(p profiles.Profile) any { return p.Origin("resources.cpus").Source }, "default"},
		{"--profile web -m 1g", func(p profiles.Profile) any { return p.Metadata.Name }, "web"},
		{"--cap-add KILL", func(p profiles.Profile) any { return names(p) }, "[KILL]"},
		{"--cap-drop KILL --cap-add KILL", func(p profiles.Profile) any { return names(p) }, "[KILL]"},
		{"--cap-add KILL --cap-drop ALL --cap-add CHOWN", func(p profiles.Profile) any { return names(p) }, "[KILL CHOWN]"},
		{"--tmpfs /x", func(p profiles.Profile) any { return formatTmpfs(find(p, "/x")) }, "/x:size=64MiB,nr_inodes=16384"},
		{"--tmpfs /x:size=1m", func(p profiles.Profile) any { return formatTmpfs(find(p, "/x")) }, "/x:size=1MiB,nr_inodes=1024"},
		{"--tmpfs /tmp:size=1g,exec", func(p profiles.Profile) any { return formatTmpfs(find(p, "/tmp")) }, "/tmp:size=1GiB,nr_inodes=16384,mode=1777,exec"},
		{"--shm-size 1g", func(p profiles.Profile) any { return find(p, "/dev/shm").Size }, "1GiB"},
		{"--ulimit nofile=10", func(p profiles.Profile) any { return len(p.Process.Rlimits) }, "2"},
		{"--read-only=false", func(p profiles.Profile) any { return fmt.Sprint(*p.Rootfs.ReadOnly, p.Rootfs.Size) }, "false 256MiB"},
		{"--network bridge --egress internet:443", func(p profiles.Profile) any { return fmt.Sprint(*p.Network.Mode, " ", p.Network.Egress[0]) }, "bridge internet 443/tcp"},
		{"--profile web --network none", func(p profiles.Profile) any { return *p.Network.Mode }, "none"},
	}
	for _, test := range tests {
		p, err := policyOf(t, test.line)
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		if got := fmt.Sprint(test.got(p)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.line, got, test.want)
		}
	}
}

func names(p profiles.Profile) (list []string) {
	for _, c := range p.Process.Capabilities {
		list = append(list, c.Name)
	}
	return list
}

func find(p profiles.Profile, path string) profiles.Tmpfs {
	for _, t := range p.Mounts.Tmpfs {
		if t.Path == path {
			return t
		}
	}
	return profiles.Tmpfs{}
}

func TestDropCapabilities(t *testing.T) {
	p := profiles.Profile{}
	p.Process.Capabilities = []profiles.Capability{{Name: "KILL"}, {Name: "CHOWN"}}
	if got := fmt.Sprint(names(dropCapabilities(p, []string{"KILL"}))); got != "[CHOWN]" {
		t.Errorf("without KILL: %s", got)
	}
	if got := dropCapabilities(p, []string{"ALL"}).Process.Capabilities; got == nil || len(got) > 0 {
		t.Errorf("without any: %#v, want an empty list, which allows none", got)
	}
	if got := fmt.Sprint(names(p)); got != "[KILL CHOWN]" {
		t.Errorf("the profile itself was changed: %s", got)
	}
}

func TestPolicyErrors(t *testing.T) {
	tests := []struct{ line, want string }{
		{"--egress internet", "--egress needs a network, and the profile default has none"},
		{"-m 1", "--memory: resources.memory: 1 is less than 6MiB"},
		{"--ulimit nofiles=1", `--ulimit: process.rlimits[nofiles]: unknown resource limit "nofiles"`},
		{"--tmpfs /proc/x", "--tmpfs: mounts.tmpfs[/proc/x]: a tmpfs cannot lie over /proc"},
		{"--profile nope", `there is no profile "nope"`},
	}
	for _, test := range tests {
		_, err := policyOf(t, test.line)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || problem.HintOf(err) == "" {
			t.Errorf("%s: got %v (hint %q), want %s", test.line, err, problem.HintOf(err), test.want)
		}
	}
}
