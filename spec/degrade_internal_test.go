package spec

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

func capable() Host {
	return Host{
		Kernel: "6.18.0", UserNamespaces: Yes, IDMappedMounts: Yes, OverlayIDMap: Yes, Seccomp: Yes, Nftables: Yes,
		Cgroup:  Cgroup{Version: 2, Controllers: []string{"cpu", "memory", "pids"}, SwapLimit: true},
		Rlimits: map[string]uint64{"nofile": 4096, "nproc": RlimInfinity},
	}
}

func everything() needs {
	return needs{memory: true, swap: true, cpu: true, pids: true, bridge: true}
}

func TestWeigh(t *testing.T) {
	limit := func(name string, hard int64) profiles.Rlimit {
		return profiles.Rlimit{Name: name, Soft: &hard, Hard: &hard}
	}
	for _, c := range []struct {
		what string
		host func(*Host)
		need func(*needs)
		lost []string
	}{
		{what: "a host with everything", lost: nil},
		{what: "no user namespaces", host: func(h *Host) { h.UserNamespaces = No }, lost: []string{"user-namespace"}},
		{what: "Linux 5.10", host: func(h *Host) { h.IDMappedMounts, h.OverlayIDMap = No, No }, lost: []string{"idmapped-mounts"}},
		{what: "Linux 5.15", host: func(h *Host) { h.OverlayIDMap = No }, lost: []string{"idmapped-mounts"}},
		{what: "no seccomp", host: func(h *Host) { h.Seccomp = No }, lost: []string{"seccomp"}},
		{
			what: "inside another container", host: func(h *Host) { h.Sysctls, h.SysctlsWritable = SecondLayers(), No },
			lost: []string{"namespace-sysctls"},
		},
		{what: "a kernel without sysctls of namespaces", host: func(h *Host) { h.SysctlsWritable = No }},
		{what: "no nf_tables", host: func(h *Host) { h.Nftables = No }, lost: []string{"network-isolation"}},
		{what: "no nf_tables and no network", host: func(h *Host) { h.Nftables = No }, need: func(n *needs) { n.bridge = false }},
		{what: "no memory controller", host: func(h *Host) { h.Cgroup.Controllers = []string{"cpu", "pids"} }, lost: []string{"memory-limit"}},
		{what: "no controllers", host: func(h *Host) { h.Cgroup.Controllers = nil }, lost: []string{"memory-limit", "cpu-limit", "pids-limit"}},
		{
			what: "swap without accounting", host: func(h *Host) { h.Cgroup.SwapLimit, h.SwapTotal = false, 1 },
			lost: []string{"swap-limit"},
		},
		{what: "no swap, no accounting", host: func(h *Host) { h.Cgroup.SwapLimit = false }},
		{what: "a limit above ours", need: func(n *needs) { n.rlimits = []profiles.Rlimit{limit("nofile", 4097)} }, lost: []string{"rlimits"}},
		{what: "a limit like ours", need: func(n *needs) { n.rlimits = []profiles.Rlimit{limit("nofile", 4096), limit("nproc", 1<<40)} }},
		{what: "an unknown limit", need: func(n *needs) { n.rlimits = []profiles.Rlimit{limit("stack", 1<<40)} }},
		{
			what: "a limit above ours, with the right to", host: func(h *Host) { h.Capabilities = []string{"SYS_RESOURCE"} },
			need: func(n *needs) { n.rlimits = []profiles.Rlimit{limit("nofile", 1<<20)} },
		},
		{
			what: "nothing is known", host: func(h *Host) {
				h.UserNamespaces, h.IDMappedMounts, h.OverlayIDMap, h.Seccomp, h.Nftables = Unknown, Unknown, Unknown, Unknown, Unknown
			},
		},
	} {
		h, n := capable(), everything()
		if c.host != nil {
			c.host(&h)
		}
		if c.need != nil {
			c.need(&n)
		}
		t.Run(c.what, func(t *testing.T) { weighBothWays(t, n, h, c.lost) })
	}
}

// weighBothWays: unaccepted, each loss is an error that says how to accept it;
// accepted, it is a loss and no error.
func weighBothWays(t *testing.T, n needs, h Host, want []string) {
	_, err := weigh(n, h)
	if (err != nil) != (want != nil) {
		t.Fatalf("error %v", err)
	}
	for _, name := range want {
		if !strings.Contains(err.Error(), name) || !strings.Contains(problem.HintOf(err), "--accept "+name) {
			t.Errorf("%q, hint %q: no word of %s", err, problem.HintOf(err), name)
		}
	}
	n.acceptable = want
	lost, err := weigh(n, h)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lost {
		got = append(got, l.name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("lost %v, want %v", got, want)
	}
}

// TestAcceptingIsByName: accepting one weakening accepts no other.
func TestAcceptingIsByName(t *testing.T) {
	h, n := capable(), everything()
	h.Seccomp, h.UserNamespaces = No, No
	n.acceptable = []string{"seccomp"}
	_, err := weigh(n, h)
	if err == nil || strings.Contains(err.Error(), "seccomp") || !strings.Contains(err.Error(), "user-namespace") {
		t.Errorf("error %v", err)
	}
}
