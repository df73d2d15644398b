package audit

import (
	"slices"
	"testing"

	"github.com/safe-run/safe-run/spec/controls"
	"github.com/safe-run/safe-run/spec/severity"
)

// good is a container in which every control that a configuration can show holds.
func good() Facts {
	yes := Said(true, Place{Source: "f", Line: 1})
	return Facts{
		Seccomp: Said(AllowList, Place{}), Capabilities: Said([]string{}, Place{}), NoNewPrivileges: yes, Root: Said(false, Place{}),
		UserNamespace: yes, PID: yes, IPC: yes, Network: yes, UTS: yes, CgroupNS: yes, ReadOnlyRoot: yes, Memory: yes, CPU: yes, Pids: yes,
		Rlimits: yes, Logs: yes, Tmpfs: []Tmpfs{{Path: "/tmp", Bounded: true}}, Masked: yes, LSM: Said(Confined, Place{}), Reach: Said(ReachListed, Place{}),
		OwnCgroup: yes, Image: Said("app@sha256:1", Place{}), Pinned: true,
		Ports:   []Port{{HostIP: "127.0.0.1", Host: 8080}},
		Sysctls: []Named{{Name: "net.ipv4.tcp_syncookies"}},
	}
}

// taken are changes of good, each of which violates one control.
var taken = map[string][]func(*Facts){
	"seccomp": {
		func(f *Facts) { f.Seccomp.Is = NoFilter }, func(f *Facts) { f.Seccomp.Is = OpenByDefault }, func(f *Facts) { f.Privileged = Said(true, Place{}) },
	},
	"capabilities": {
		func(f *Facts) { f.Capabilities.Is = []string{"SYS_ADMIN"} }, func(f *Facts) { f.Capabilities.Is = []string{"NET_ADMIN"} },
		func(f *Facts) { f.Capabilities.Is = []string{"CHOWN"} }, func(f *Facts) { f.Capabilities.Is = []string{"ALL"} },
		func(f *Facts) { f.Privileged = Said(true, Place{}) },
	},
	"no-new-privileges": {func(f *Facts) { f.NoNewPrivileges.Is = false }},
	"non-root":          {func(f *Facts) { f.Root.Is = true }},
	"user-namespace":    {func(f *Facts) { f.UserNamespace.Is = false }},
	"read-only-root":    {func(f *Facts) { f.ReadOnlyRoot.Is = false }},
	"pid-namespace":     {func(f *Facts) { f.PID.Is = false }},
	"ipc-namespace":     {func(f *Facts) { f.IPC.Is = false }},
	"network-namespace": {func(f *Facts) { f.Network.Is = false }},
	"other-namespaces":  {func(f *Facts) { f.UTS.Is = false }, func(f *Facts) { f.CgroupNS.Is = false }},
	"memory":            {func(f *Facts) { f.Memory.Is = false }},
	"cpu":               {func(f *Facts) { f.CPU.Is = false }},
	"pids":              {func(f *Facts) { f.Pids.Is = false }},
	"rlimits":           {func(f *Facts) { f.Rlimits.Is = false }, func(f *Facts) { f.Logs.Is = false }},
	"tmpfs": {
		func(f *Facts) { f.Tmpfs[0].Bounded = false }, func(f *Facts) { f.Tmpfs[0].Exec = true }, func(f *Facts) { f.Tmpfs[0].Suid = true }, func(f *Facts) { f.Tmpfs[0].Dev = true },
	},
	"masked-paths": {func(f *Facts) { f.Masked.Is = false }, func(f *Facts) { f.Privileged = Said(true, Place{}) }},
	"host-mounts": {
		func(f *Facts) { f.Mounts = []Mount{{Host: "/", Inside: "/host"}} }, func(f *Facts) { f.Mounts = []Mount{{Host: "/etc", Inside: "/e"}} },
		func(f *Facts) { f.Mounts = []Mount{{Host: "/srv/data", Inside: "/d", Writable: true}} }, func(f *Facts) { f.Mounts = []Mount{{Host: "/srv/../proc", Inside: "/p"}} },
	},
	"runtime-socket": {
		func(f *Facts) { f.Mounts = []Mount{{Host: "/var/run/docker.sock"}} }, func(f *Facts) { f.Mounts = []Mount{{Host: "/run"}} },
		func(f *Facts) { f.Mounts = []Mount{{Host: "/run/containerd/containerd.sock"}} }, func(f *Facts) { f.Mounts = []Mount{{Host: "/srv/my/docker.sock"}} },
	},
	"propagation":      {func(f *Facts) { f.Mounts = []Mount{{Host: "/srv/x", Shared: true}} }, func(f *Facts) { f.SharedRoot = Said(true, Place{}) }},
	"devices":          {func(f *Facts) { f.Devices = []Named{{Name: "/dev/sda"}} }, func(f *Facts) { f.Privileged = Said(true, Place{}) }},
	"lsm":              {func(f *Facts) { f.LSM.Is = Unconfined }, func(f *Facts) { f.Privileged = Said(true, Place{}) }},
	"egress":           {func(f *Facts) { f.Reach.Is = ReachAll }, func(f *Facts) { f.Network.Is = false }},
	"ports":            {func(f *Facts) { f.Ports[0].Host = 80 }, func(f *Facts) { f.Ports[0].HostIP = "" }, func(f *Facts) { f.Ports[0].HostIP = "::" }},
	"sysctls":          {func(f *Facts) { f.Sysctls[0].Name = "kernel.core_pattern" }, func(f *Facts) { f.Sysctls[0].Name = "net.ipv4.ip_forward" }},
	"cgroup-placement": {func(f *Facts) { f.OwnCgroup.Is = false }},
	"image":            {func(f *Facts) { f.Pinned = false }},
}

func TestEachControlIsJudged(t *testing.T) {
	onlyElsewhere := []string{"runtime-floor", "audit-log"}
	for _, f := range Judge(good()) {
		want := Holds
		if slices.Contains(onlyElsewhere, f.Rule) {
			want = CannotTell
		}
		if f.Verdict != want || f.What == "" {
			t.Errorf("%s of a good container: %+v", f.Rule, f)
		}
	}
	for _, c := range controls.All() {
		if judges[c.Key] == nil {
			t.Errorf("nobody judges %s", c.Key)
		}
		if len(taken[c.Key]) == 0 && !slices.Contains(onlyElsewhere, c.Key) {
			t.Errorf("%s is never violated here", c.Key)
		}
		for i, take := range taken[c.Key] {
			f := good()
			take(&f)
			if !slices.ContainsFunc(Judge(f), func(one Finding) bool {
				return one.Rule == c.Key && one.Verdict == Violated && one.Severity > severity.None && one.Mend != "" && one.Why != ""
			}) {
				t.Errorf("%s, change %d: no violation", c.Key, i)
			}
		}
	}
}

// TestSilenceIsNotConsent: facts that nobody gave never hold.
func TestSilenceIsNotConsent(t *testing.T) {
	// What can be listed, and is not, is not there.
	listed := []string{"tmpfs", "host-mounts", "runtime-socket", "propagation", "devices", "ports", "sysctls"}
	for _, f := range Judge(Facts{}) {
		if f.Verdict == Holds && !slices.Contains(listed, f.Rule) {
			t.Errorf("%s holds, and nothing was said: %s", f.Rule, f.What)
		}
	}
}
