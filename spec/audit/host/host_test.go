package host

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/severity"
)

// well is a host with nothing to mend.
func well() Facts {
	return Facts{
		Host: spec.Host{
			Kernel: "6.12.3-1-amd64", UserNamespaces: spec.Yes, IDMappedMounts: spec.Yes, OverlayIDMap: spec.Yes, Seccomp: spec.Yes,
			LSMs:   []string{"capability", "landlock", "apparmor"},
			Cgroup: spec.Cgroup{Version: 2, Driver: "systemd", Controllers: []string{"cpu", "memory", "pids", "devices", "freezer"}, SwapLimit: true},
			IDs:    spec.IDRange{First: 0x70000000, Count: 0x0ffe0000},
		},
		Root: true, Notify: spec.Yes, Landlock: 6, Guard: Guard{Possible: true}, Favordynmods: spec.Yes,
		Sysctls: map[string]string{
			"kernel.unprivileged_bpf_disabled": "2", "kernel.kptr_restrict": "1", "kernel.dmesg_restrict": "1", "kernel.yama.ptrace_scope": "1", "kernel.io_uring_disabled": "2",
			"kernel.unprivileged_userns_clone": "0", "dev.tty.legacy_tiocsti": "0", "kernel.core_pattern": "core", "user.max_user_namespaces": "63000",
		},
		SubIDs:   []SubID{{"/etc/subuid", "safe-run", 0x70000000, 0x0ffe0000}, {"/etc/subuid", "somebody", 100000, 65536}},
		Runtimes: []Runtime{{Name: "runc", Path: "/usr/bin/runc", Version: "runc version 1.4.3"}},
		Sockets:  []File{{Path: "/run/docker.sock", Mode: 0o660, Group: "docker"}, {Path: "/run/podman/podman.sock", Missing: true}},
		Dirs:     []File{{Path: "/run/safe-run", Mode: 0o711}, {Path: "/etc/safe-run", Missing: true}},
	}
}

func TestWell(t *testing.T) {
	for _, f := range Judge(well()) {
		if f.Verdict != audit.Holds {
			t.Errorf("%s of a good host: %s, %s", f.Rule, f.Verdict, f.What)
		}
	}
}

func TestTroubles(t *testing.T) {
	for name, test := range map[string]struct {
		rule   string
		least  severity.Severity
		change func(*Facts)
	}{
		"old kernel":        {"kernel", severity.Medium, func(f *Facts) { f.Host.Kernel = "5.10.0-20-amd64" }},
		"no userns":         {"user-namespaces", severity.High, func(f *Facts) { f.Host.UserNamespaces = spec.No }},
		"no seccomp":        {"seccomp", severity.Critical, func(f *Facts) { f.Host.Seccomp = spec.No }},
		"no notify":         {"seccomp-notify", severity.Low, func(f *Facts) { f.Notify = spec.No }},
		"no idmap":          {"idmapped-mounts", severity.High, func(f *Facts) { f.Host.IDMappedMounts = spec.No }},
		"no guard":          {"guard", severity.Info, func(f *Facts) { f.Guard = Guard{Why: "it is refused", Mend: "another kernel"} }},
		"no landlock":       {"landlock", severity.Low, func(f *Facts) { f.Landlock = 0 }},
		"no lsm":            {"lsm", severity.Low, func(f *Facts) { f.Host.LSMs = []string{"capability"} }},
		"no pids":           {"cgroups", severity.High, func(f *Facts) { f.Host.Cgroup.Controllers = []string{"cpu", "memory", "devices", "freezer"} }},
		"cgroup v1":         {"cgroups", severity.Low, func(f *Facts) { f.Host.Cgroup.Version = 1 }},
		"slow groups":       {"favordynmods", severity.Info, func(f *Facts) { f.Favordynmods = spec.No }},
		"swap":              {"swap-limit", severity.Medium, func(f *Facts) { f.Host.SwapTotal, f.Host.Cgroup.SwapLimit = 1, false }},
		"bpf":               {"kernel.unprivileged_bpf_disabled", severity.Medium, func(f *Facts) { f.Sysctls["kernel.unprivileged_bpf_disabled"] = "0" }},
		"kptr":              {"kernel.kptr_restrict", severity.Low, func(f *Facts) { f.Sysctls["kernel.kptr_restrict"] = "0" }},
		"dmesg":             {"kernel.dmesg_restrict", severity.Low, func(f *Facts) { f.Sysctls["kernel.dmesg_restrict"] = "0" }},
		"ptrace":            {"kernel.yama.ptrace_scope", severity.Low, func(f *Facts) { f.Sysctls["kernel.yama.ptrace_scope"] = "0" }},
		"io_uring":          {"kernel.io_uring_disabled", severity.Low, func(f *Facts) { f.Sysctls["kernel.io_uring_disabled"] = "0" }},
		"tiocsti":           {"dev.tty.legacy_tiocsti", severity.Low, func(f *Facts) { f.Sysctls["dev.tty.legacy_tiocsti"] = "1" }},
		"core":              {"kernel.core_pattern", severity.Info, func(f *Facts) { f.Sysctls["kernel.core_pattern"] = "|/usr/share/apport" }},
		"few userns":        {"user.max_user_namespaces", severity.High, func(f *Facts) { f.Sysctls["user.max_user_namespaces"] = "0" }},
		"userns for all":    {"kernel.unprivileged_userns_clone", severity.Info, func(f *Facts) { f.Sysctls["kernel.unprivileged_userns_clone"] = "1" }},
		"overlap":           {"id-range", severity.High, func(f *Facts) { f.SubIDs[1].First = 0x70000000 - 65535 }},
		"account":           {"id-range", severity.High, func(f *Facts) { f.Accounts = []string{"x"} }},
		"few ids":           {"id-range", severity.High, func(f *Facts) { f.Host.IDs.Count = 10 }},
		"runc":              {"runtime-runc", severity.High, func(f *Facts) { f.Runtimes[0].Version = "runc version 1.3.5" }},
		"open socket":       {"engine-socket", severity.Critical, func(f *Facts) { f.Sockets[0].Mode = 0o666 }},
		"somebody's":        {"engine-socket", severity.High, func(f *Facts) { f.Sockets[0].UID = 1000 }},
		"docker group":      {"engine-socket", severity.Medium, func(f *Facts) { f.Sockets[0].Members = []string{"x"} }},
		"open directory":    {"own-directories", severity.Critical, func(f *Facts) { f.Dirs[0].Mode = 0o777 | fs.ModeDir }},
		"other's directory": {"own-directories", severity.Critical, func(f *Facts) { f.Dirs[0].UID = 5 }},
		"leftovers":         {"leftovers", severity.Low, func(f *Facts) { f.Dead = []string{"a"} }},
	} {
		f := well()
		test.change(&f)
		i := slices.IndexFunc(Judge(f), func(one audit.Finding) bool { return one.Rule == test.rule && one.Verdict == audit.Violated })
		if i < 0 {
			t.Errorf("%s: %s is not told", name, test.rule)
			continue
		}
		if one := Judge(f)[i]; one.Severity != test.least || one.Why == "" || one.Mend == "" {
			t.Errorf("%s: %+v, want severity %v, a reason and a next step", name, one, test.least)
		}
	}
}

func TestFloors(t *testing.T) {
	for version, below := range map[string]int{
		"1.1.15": 2, "1.2.7": 2, "1.2.8": 1, "1.2.99": 1, "1.3.2": 2, "1.3.3": 1, "1.3.6": 0, "1.4.0-rc.2": 2, "1.4.0-rc.3": 1, "1.4.0": 1, "1.4.3": 0,
		"1.5.0-rc.2": 1, "1.5.0-rc.3": 0, "1.5.0-rc3": 0, "1.5.2": 0, "v1.5.2": 0, "1.10.0": 0, "2.0.0": 0, "0.1.1": 2, "1.6.0-rc.1": 0,
	} {
		f := Facts{Runtimes: []Runtime{{Name: "runc", Version: "runc version " + version}}}
		n := 0
		for _, one := range runtimes(f) {
			if one.Verdict == audit.Violated {
				n++
			}
		}
		if n != below {
			t.Errorf("runc %s is below %d floors, want %d", version, n, below)
		}
	}
	for _, text := range []string{"1.1.5+ds1", "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", "Docker version 20.10.24+dfsg1, build 5d6db84", "1.2.5-0ubuntu1", "1.1.12-4.el9"} {
		name := "runc"
		if strings.Contains(text, "containerd") {
			name = "containerd"
		} else if strings.Contains(text, "Docker") {
			name = "dockerd"
		}
		for _, one := range runtimes(Facts{Runtimes: []Runtime{{Name: name, Version: text}}}) {
			if one.Verdict != audit.Violated || one.Severity != severity.Low || !strings.Contains(one.What, "distribution") {
				t.Errorf("%q, a distribution's: %+v", text, one)
			}
		}
	}
	for _, r := range []Runtime{{Name: "runc", Problem: "x"}, {Name: "runc", Version: "unknown"}, {Name: "crun", Version: "crun version 1.8.1"}} {
		if got := runtimes(Facts{Runtimes: []Runtime{r}}); len(got) != 1 || got[0].Verdict != audit.CannotTell {
			t.Errorf("%+v: %+v, want that it cannot be told", r, got)
		}
	}
}

// TestNothingSeen: a host of which nothing is known is not called good.
func TestNothingSeen(t *testing.T) {
	for _, f := range Judge(Facts{Landlock: -1}) {
		if f.Verdict == audit.Holds {
			t.Errorf("%s is fine, and nobody looked: %s", f.Rule, f.What)
		}
	}
}

func FuzzVersion(f *testing.F) {
	for _, seed := range []string{"runc version 1.4.0-rc.3", "1.1.5+ds1", "99999.1.1", "1.2", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if r, ok := parse(text); ok {
			again, ok := parse(r.String())
			if !ok || again.compare(r) != 0 {
				t.Errorf("%q is read as %v, and that as %v", text, r, again)
			}
		}
		runtimes(Facts{Runtimes: []Runtime{{Name: "runc", Version: text}}})
	})
}
