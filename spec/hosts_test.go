package spec_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec"
)

// hostV1 is a small machine with hybrid cgroups whose root lacks
// CAP_SYS_RESOURCE, as in many CI systems.
func hostV1() spec.Host {
	return spec.Host{
		Arch: "amd64", Kernel: "6.18.0", Executable: "/usr/bin/safe-run",
		Cgroup: spec.Cgroup{
			Version: 1, Driver: "cgroupfs", SwapLimit: true,
			Controllers: []string{"cpu", "devices", "freezer", "memory", "pids"},
		},
		UserNamespaces: spec.Yes, IDMappedMounts: spec.Yes, OverlayIDMap: spec.Yes, Seccomp: spec.Yes, Nftables: spec.Yes,
		Sysctls: spec.SecondLayers(), SysctlsWritable: spec.Yes,
		Capabilities: []string{"CHOWN", "NET_ADMIN", "SETUID", "SYS_ADMIN"},
		Rlimits:      map[string]uint64{"core": 0, "nofile": 524288, "nproc": 31341},
		IDs:          spec.IDRange{First: 65536, Count: 1 << 30},
		Nameservers:  []netip.Addr{netip.MustParseAddr("192.0.2.53")},
		CPUs:         2,
	}
}

// hostV2 is a current distribution with systemd and everything.
func hostV2() spec.Host {
	h := hostV1()
	h.Arch = "arm64"
	h.Cgroup = spec.Cgroup{
		Version: 2, Driver: "systemd", SwapLimit: true,
		Controllers: []string{"cpu", "cpuset", "io", "memory", "pids"},
	}
	h.Capabilities = append(h.Capabilities, "SYS_RESOURCE")
	h.LSMs = []string{"lockdown", "capability", "landlock", "yama", "apparmor", "bpf"}
	h.Nameservers = []netip.Addr{
		netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("169.254.169.253"),
	}
	h.Landlock = 7
	h.CPUs, h.SwapTotal = 16, 8<<30
	return h
}

func image() spec.Image {
	return spec.Image{
		Reference: "oci:/images/app:1", Digest: "sha256:" + strings.Repeat("0a", 32), Rootfs: "/var/lib/safe-run/images/app",
		Config: spec.ImageConfig{
			Env: []string{"LANG=C.UTF-8", "PATH=/app/bin:/usr/bin:/bin"}, Entrypoint: []string{"/app/serve"},
			Cmd: []string{"--port", "8080"}, WorkingDir: "/app", ExposedPorts: []string{"8080/tcp"},
			Volumes: []string{"/var/cache/app"}, StopSignal: "SIGQUIT",
		},
		Passwd: []byte("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\nnonroot:x:65532:65532::/home/nonroot:\n"),
		Group:  []byte("root:x:0:app\napp:x:1000:\nmedia:x:2000:app,other\n"),
	}
}

func instance() spec.Instance {
	return spec.Instance{
		ID: strings.Repeat("0123456789abcdef", 4), Name: "app",
		IDs: spec.IDRange{First: 131072, Count: spec.IDsPerContainer},
	}
}

func resolve(t testing.TB, name string) profiles.Profile {
	t.Helper()
	p, err := profiles.Resolve(name, builtin.Finder{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// input is a run of the test image under a built-in profile.
func input(t testing.TB, profile string) spec.Input {
	t.Helper()
	return spec.Input{Profile: resolve(t, profile), Image: image(), Host: hostV1(), Instance: instance()}
}

// accept adds weakenings to a profile.
func accept(in *spec.Input, names ...string) {
	in.Profile.Accept = slices.Clone(in.Profile.Accept)
	for _, name := range names {
		in.Profile.Accept = append(in.Profile.Accept, profiles.Accept{Name: name, Why: "tested"})
	}
}

func compile(t testing.TB, in spec.Input) *spec.Plan {
	t.Helper()
	plan, err := spec.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
