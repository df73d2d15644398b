//go:build cgo && seccomp

package runc_test

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec/seccomp"
)

func rendered(t testing.TB, arch string) *specs.LinuxSeccomp {
	t.Helper()
	oci, err := seccomp.Render(seccomp.Policy{
		Arch: arch, Families: []string{"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"},
		Allow: []string{
			"@base", "@files", "@process", "@threads", "@time", "@signals", "@memory", "@sched", "@io-event", "@sockets",
			"@net-client", "@net-server", "@watch", "@xattr",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return oci
}

// TestCompileFilter: the same rules give the same program, for whatever
// architecture, and what is not ours to render is refused.
func TestCompileFilter(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		first, err := runc.CompileFilter(rendered(t, arch))
		if err != nil {
			t.Fatal(err)
		}
		again, err := runc.CompileFilter(rendered(t, arch))
		if err != nil || len(first) < 200 || string(seccomp.Bytes(first)) != string(seccomp.Bytes(again)) {
			t.Errorf("%s: %d and %d instructions: %v", arch, len(first), len(again), err)
		}
	}
	for name, change := range map[string]func(*specs.LinuxSeccomp){
		"two architectures": func(f *specs.LinuxSeccomp) { f.Architectures = append(f.Architectures, specs.ArchX86) },
		"no default":        func(f *specs.LinuxSeccomp) { f.DefaultErrnoRet = nil },
		"another action":    func(f *specs.LinuxSeccomp) { f.Syscalls[0].Action = specs.ActTrace },
	} {
		oci := rendered(t, "amd64")
		change(oci)
		if _, err := runc.CompileFilter(oci); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

// BenchmarkCompileFilter is what the first launch of a filter spends.
func BenchmarkCompileFilter(b *testing.B) {
	oci := rendered(b, "amd64")
	for b.Loop() {
		if _, err := runc.CompileFilter(oci); err != nil {
			b.Fatal(err)
		}
	}
}
