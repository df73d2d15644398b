package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/sandbox/verify"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/report"
)

// ourRuntime is what is attacked where no runtime is named.
const ourRuntime = "io.containerd.saferun.v2"

// bare is what a container that ctr starts has to go without: containerd takes no
// options but runc's where there is a user namespace, and so no profile by its
// file. What that namespace would hold is not predicted then.
var bare = []profiles.Accept{{Name: profiles.WeakUserNamespace, Why: "ctr gives a container a configuration or a user namespace, not both"}}

// verifyContainerd attacks containers that containerd starts by its runtimes. Of
// safe-run's own shim it is known what it makes of a container.
func (a *app) verifyContainerd(ctx context.Context, o verifyOptions, look report.Look) error {
	// ctr would wait half a minute for it.
	if info, err := os.Stat(o.containerd); err != nil || info.Mode().Type() != os.ModeSocket {
		return problem.New("name the socket of a containerd that runs, such as /run/containerd/containerd.sock", "--containerd: no socket is at %s", o.containerd)
	}
	ctr, err := exec.LookPath("ctr")
	if err != nil {
		return problem.New("apt-get install containerd", "containerd's client ctr is not installed")
	}
	dir, err := os.MkdirTemp("", "safe-run-verify-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	runtimes, failed := slices.Compact(slices.Clone(o.runtimes)), false
	if len(runtimes) == 0 {
		runtimes = []string{ourRuntime}
	}
	attacks := report.Attacks{Probes: battery.Probes()}
	for _, name := range runtimes {
		b, c, err := a.containerd(o, name, dir)
		if err != nil {
			return err
		}
		c.Ctr = ctr
		progress := a.newProgress()
		b.Progress = progress.tell
		one, err := b.RunContainerd(ctx, c)
		progress.end()
		if err != nil {
			a.report(err)
			failed = true
			continue
		}
		attacks.Reports = append(attacks.Reports, *one)
		failed = failed || c.Meet != nil && verdict(*one, nil) != nil
	}
	if len(attacks.Reports) > 0 {
		if err := a.writeReport(attacks, o.output, look); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed {
		return errNo
	}
	return nil
}

// containerd is the battery for a runtime.
func (a *app) containerd(o verifyOptions, runtime, dir string) (*verify.Battery, verify.Containerd, error) {
	c := verify.Containerd{Address: o.containerd, Namespace: "safe-run-verify-" + strconv.Itoa(os.Getpid()), Runtime: runtime}
	if !strings.Contains(filepath.Base(runtime), "saferun") {
		b := &verify.Battery{Only: o.only, Table: battery.Probes()}
		var err error
		b.Probe, err = beside("safe-run-probe")
		return b, c, err
	}
	b, err := a.battery(o)
	if err != nil {
		return nil, c, err
	}
	name := o.profile
	if strings.Contains(name, "/") {
		if name, err = filepath.Abs(name); err != nil {
			return nil, c, err
		}
	}
	p, err := policies.Here.ForBundle("", name, bare...)
	if err != nil {
		return nil, c, err
	}
	c.Config = filepath.Join(dir, "shim.yaml")
	text := fmt.Sprintf("apiVersion: %s\nkind: Shim\nprofile: %q\nonConflict: refuse\ndenials: %q\naccept: [{name: %q, why: %q}]\n",
		profiles.APIVersion, name, filepath.Join(dir, "denials"), bare[0].Name, bare[0].Why)
	c.Ask, c.Meet = func(oci *specs.Spec) { asUser(oci, *p) }, func(oci *specs.Spec) (*spec.Plan, spec.Host, error) { return shimsPlan(oci, *p) }
	return b, c, os.WriteFile(c.Config, []byte(text), 0o600)
}

// asUser asks for the user of a profile, which is not root.
func asUser(oci *specs.Spec, p profiles.Profile) {
	oci.Process.User = specs.User{UID: verifiedID, GID: verifiedID}
	if id := p.Process.RunAsUser; id != nil {
		oci.Process.User.UID = uint32(*id)
	}
	if id := p.Process.RunAsGroup; id != nil {
		oci.Process.User.GID = uint32(*id)
	}
}

// verifiedID is the user of a container whose profile names none.
const verifiedID = 65532

// shimsPlan is what the shim makes of a container.
func shimsPlan(oci *specs.Spec, p profiles.Profile) (*spec.Plan, spec.Host, error) {
	host := probe.Host()
	plan, err := spec.BundlePlan(spec.BundleInput{
		OCI: oci, Profile: p, Host: host, Reacts: true, Encloses: true, Config: policies.Here.ConfigName(policies.Shim),
	})
	return plan, host, err
}
