package spec

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// ValidatePlan checks what holds for every plan, whatever the profile says. It
// runs at the end of Compile and can be run on plans that come from elsewhere.
func ValidatePlan(p *Plan) error {
	if p == nil || p.OCI == nil || p.OCI.Process == nil || p.OCI.Root == nil || p.OCI.Linux == nil || p.OCI.Linux.Resources == nil {
		return errors.New("the plan is not complete")
	}
	v := &validator{plan: p}
	v.image()
	v.process()
	v.isolation()
	v.namespaced()
	v.landlock()
	v.guard()
	v.mounts()
	v.rootfs()
	v.filter()
	v.limits()
	v.network()
	return errors.Join(v.broken...)
}

type validator struct {
	plan   *Plan
	broken []error
}

func (v *validator) must(holds bool, format string, args ...any) {
	if !holds {
		v.broken = append(v.broken, fmt.Errorf(format, args...))
	}
}

func (v *validator) accepted(name string) bool { return slices.Contains(v.plan.Accepted, name) }

// image looks a second time: nothing can be known of an image without a digest.
func (v *validator) image() {
	t := v.plan.Trust
	v.must(t == nil || t.Zero() || v.plan.Image.Digest != "", "the image has no digest, so it cannot be what the policy asks for")
	v.must(t == nil || t.Vulnerabilities == nil || t.Vulnerabilities.MaxAge > 0, "the age of what is known of the image is not limited")
}

func (v *validator) process() {
	p := v.plan.OCI.Process
	v.must(p.NoNewPrivileges, "no_new_privs is not set")
	v.must(len(p.Args) > 0 && p.Args[0] != "", "there is no command")
	v.must(strings.HasPrefix(p.Cwd, "/"), "the working directory is not absolute")
	v.must(p.Capabilities != nil, "the capability sets are not given")
	v.must(p.User.UID < IDsPerContainer && p.User.GID < IDsPerContainer, "user %d:%d is outside the range", p.User.UID, p.User.GID)
	v.must(p.User.UID != 0 || !v.accepted(profiles.WeakUserNamespace), "root without a user namespace")
	v.must(slices.ContainsFunc(p.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type == "RLIMIT_CORE" }), "core dumps are not limited")
	v.must(v.plan.OCI.Hooks == nil, "hooks run programs on the host")
}

func (v *validator) isolation() {
	l := v.plan.OCI.Linux
	needed := []specs.LinuxNamespaceType{
		specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace, specs.NetworkNamespace, specs.CgroupNamespace,
	}
	if !v.accepted(profiles.WeakUserNamespace) {
		needed = append(needed, specs.UserNamespace)
		for _, m := range slices.Concat(l.UIDMappings, l.GIDMappings) {
			v.must(m.HostID >= IDsPerContainer && m.Size == IDsPerContainer, "ids %d+%d are not a container's", m.HostID, m.Size)
		}
		v.must(len(l.UIDMappings) == 1 && len(l.GIDMappings) == 1, "the user namespace has no ids")
	}
	for _, kind := range needed {
		v.must(slices.ContainsFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind && n.Path == "" }),
			"there is no new %s namespace", kind)
	}
	for _, at := range alwaysMasked {
		v.must(slices.Contains(l.MaskedPaths, at), "%s is not masked", at)
	}
	for _, at := range alwaysReadOnly {
		v.must(slices.Contains(l.ReadonlyPaths, at) || slices.Contains(l.MaskedPaths, at), "%s is not read-only", at)
	}
	v.must(l.RootfsPropagation == "rprivate", "mounts propagate")
	v.must(strings.Contains(l.CgroupsPath, "safe-run"), "the cgroup is not the container's own")
}

func (v *validator) mounts() {
	seen := map[string]bool{}
	for _, m := range v.plan.OCI.Mounts {
		v.must(!seen[m.Destination], "two mounts at %s", m.Destination)
		seen[m.Destination] = true
		v.must(slices.Contains(m.Options, "nosuid"), "%s is mounted without nosuid", m.Destination)
		device := m.Destination == "/dev" || m.Destination == "/dev/pts"
		v.must(device || slices.Contains(m.Options, "nodev"), "%s is mounted without nodev", m.Destination)
		v.must(!slices.Contains(m.Options, "rbind"), "%s brings other mounts along", m.Destination)
		if m.Type == "sysfs" || m.Type == "cgroup" {
			v.must(slices.Contains(m.Options, "ro"), "%s is writable", m.Destination)
		}
		if m.Type == "tmpfs" {
			v.must(hasOption(m, "size=") && hasOption(m, "nr_inodes="), "%s is not limited", m.Destination)
		}
	}
}

func (v *validator) rootfs() {
	r := v.plan.Rootfs
	v.must(r.ReadOnly == v.plan.OCI.Root.Readonly, "two opinions about the root filesystem")
	v.must(r.ReadOnly || r.WritableBytes > 0, "the writable root filesystem is not limited")
	v.must(r.Source == "" || len(r.Layers) == 0, "the image is a directory and layers at once")
	v.must(len(r.Layers) <= MaxLayers, "there are %d layers, more than %d", len(r.Layers), MaxLayers)
	seen := map[string]bool{}
	for _, layer := range r.Layers {
		v.must(path.IsAbs(layer) && path.Clean(layer) == layer && layer != "/", "layer %q is not a clean absolute path", layer)
		v.must(!seen[layer], "layer %s is there twice", layer)
		seen[layer] = true
	}
}

func hasOption(m specs.Mount, prefix string) bool {
	return slices.ContainsFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, prefix) })
}

func (v *validator) filter() {
	f := v.plan.OCI.Linux.Seccomp
	if f == nil {
		v.must(v.accepted(profiles.WeakSeccomp), "there is no system call filter")
		return
	}
	v.must(f.DefaultAction == specs.ActErrno, "the system call filter allows by default")
	v.must(len(f.Architectures) == 1, "the system call filter has foreign architectures")
	for _, s := range f.Syscalls {
		for _, name := range s.Names {
			_, unfilterable := seccomp.Unfilterable(name)
			v.must(!unfilterable || s.Action != specs.ActAllow, "%s is allowed", name)
		}
		for _, a := range s.Args {
			v.must(a.Op == specs.OpMaskedEqual, "%v is compared with %s", s.Names, a.Op)
		}
	}
}

func (v *validator) limits() {
	r := v.plan.OCI.Linux.Resources
	v.must(v.accepted(profiles.WeakMemoryLimit) || r.Memory != nil && r.Memory.Limit != nil && *r.Memory.Limit > 0, "memory is not limited")
	v.must(v.accepted(profiles.WeakCPULimit) || r.CPU != nil && r.CPU.Quota != nil && *r.CPU.Quota > 0, "processor time is not limited")
	v.must(v.accepted(profiles.WeakPidsLimit) || r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit > 0, "processes are not limited")
	v.must(len(r.Devices) == 1 && !r.Devices[0].Allow && r.Devices[0].Access == "rwm", "devices are not denied")
	v.must(len(v.plan.OCI.Linux.Devices) == 0, "a device of the host is given")
}

func (v *validator) network() {
	n := v.plan.Network
	v.must(n.Mode == NetworkNone || n.Mode == NetworkBridge, "network mode %q", n.Mode)
	v.must(n.Mode != NetworkNone || len(n.Publish)+len(n.Egress)+len(n.DNS) == 0, "no network, but connections")
	for _, e := range n.Egress {
		open := e.Prefix.Overlaps(linkLocal) && !slices.Contains(e.Except, linkLocal)
		v.must(!open, "egress to %s reaches %s", e.Prefix, linkLocal)
	}
}
