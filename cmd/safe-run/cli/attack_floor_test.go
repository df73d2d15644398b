package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
)

// attackedPlan is a plan as it was compiled.
func attackedPlan() *spec.Plan {
	errno := uint(1)
	return &spec.Plan{OCI: &specs.Spec{
		Process: &specs.Process{Args: []string{"/app"}, NoNewPrivileges: true}, Root: &specs.Root{Readonly: true},
		Mounts: []specs.Mount{{Destination: "/tmp", Type: "tmpfs"}},
		Linux: &specs.Linux{Resources: &specs.LinuxResources{}, Seccomp: &specs.LinuxSeccomp{
			DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"mount"}, Action: specs.ActErrno, ErrnoRet: &errno}},
		}},
	}}
}

// TestOnlyAttacks: on a host with a floor the attacks go in, and nothing goes out.
func TestOnlyAttacks(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	attacks := specs.Mount{Destination: attacksPath, Type: "bind", Source: filepath.Join(filepath.Dir(self), attacksProgram),
		Options: []string{"bind", "rprivate", "nosuid", "nodev", "ro"}}
	marker := uint(133)
	put := func(p *spec.Plan) {
		p.OCI.Mounts = append(p.OCI.Mounts, attacks)
		p.Rootfs.FileMounts = append(p.Rootfs.FileMounts, attacksPath)
		p.OCI.Process.Args = []string{attacksPath, "run"}
		p.OCI.Linux.Seccomp.DefaultErrnoRet, p.OCI.Linux.Seccomp.Syscalls[0].ErrnoRet = &marker, &marker
	}
	for _, test := range []struct {
		name   string
		change func(*spec.Plan)
		wrong  string
	}{
		{"the attacks", put, ""},
		{"nothing changed", func(*spec.Plan) {}, "its program"},
		{"without the mount", func(p *spec.Plan) { p.OCI.Process.Args = []string{attacksPath} }, "not mounted"},
		{"another program", func(p *spec.Plan) { put(p); p.OCI.Process.Args = []string{"/bin/sh"} }, "its program"},
		{"another source", func(p *spec.Plan) { put(p); p.OCI.Mounts[1].Source = "/etc/shadow" }, "not mounted"},
		{"to write", func(p *spec.Plan) { put(p); p.OCI.Mounts[1].Options = []string{"bind"} }, "not mounted"},
		{"a further mount", func(p *spec.Plan) {
			put(p)
			p.OCI.Mounts = append(p.OCI.Mounts, specs.Mount{Destination: "/host", Type: "bind", Source: "/"})
		}, "differs"},
		{"no filter", func(p *spec.Plan) { put(p); p.OCI.Linux.Seccomp = nil }, "differs"},
		{"a call more", func(p *spec.Plan) { put(p); p.OCI.Linux.Seccomp.Syscalls[0].Action = specs.ActAllow }, "differs"},
		{"privileges", func(p *spec.Plan) { put(p); p.OCI.Process.NoNewPrivileges = false }, "differs"},
		{"writable", func(p *spec.Plan) { put(p); p.OCI.Root.Readonly = false }, "differs"},
		{"root", func(p *spec.Plan) { put(p); p.RootAllowed = true }, "differs"},
	} {
		is := attackedPlan()
		test.change(is)
		err := onlyAttacks(attackedPlan(), is)
		if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: %v, want %q", test.name, err, test.wrong)
		}
	}
}
