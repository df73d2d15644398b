package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/cmd/policies"
	writer "github.com/safe-run/safe-run/sandbox/install"
	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/spec"
)

// check runs a test container under the engine, and says what it showed, and
// what was not looked at.
func (a *app) check(ctx context.Context, o *installOptions, program string) error {
	root, err := filepath.Abs(o.root)
	if err != nil {
		return err
	}
	if root != "/" {
		fmt.Fprintf(a.std.Out, "not checked: no engine is there below %s to run a test container\n", o.shown("/"))
		return nil
	}
	checked, err := writer.Check{Engine: o.engine, Program: program, Refuses: refusesRoot(policies.Here, program)}.Run(ctx)
	for _, line := range checked.Held {
		fmt.Fprintf(a.std.Out, "checked: %s\n", printable(line))
	}
	for _, line := range checked.Left {
		fmt.Fprintf(a.std.Out, "not checked: %s\n", printable(line))
	}
	return err
}

// refusesRoot says whether a runtime is to refuse a container that is root in no
// user namespace, by the policy in force; also when it cannot be read.
func refusesRoot(here policies.Host, program string) bool {
	front := policies.OCI
	if strings.HasPrefix(filepath.Base(program), "containerd-shim-") {
		front = policies.Shim
	}
	c, err := here.BundleConfig(front)
	if err != nil {
		return true
	}
	if front == policies.Shim {
		switch c.Profile {
		case "":
			c.Profile = "default"
		case "none":
			c.Profile = ""
		}
	}
	p, err := here.ForBundle("", c.Profile, c.Accept...)
	if err != nil || p == nil {
		return err != nil
	}
	oci := &specs.Spec{Version: specs.Version, Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{Args: []string{"/test"}, Cwd: "/"}, Linux: &specs.Linux{}}
	for _, kind := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace, specs.NetworkNamespace} {
		oci.Linux.Namespaces = append(oci.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
	}
	_, err = spec.MeetBundle(spec.BundleInput{OCI: oci, Profile: *p, Host: probe.Host(), Strip: c.OnConflict == policies.Strip, Encloses: front == policies.Shim, Reacts: front == policies.Shim})
	return err != nil
}
