package spec

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// BundleInput is a bundle about to run, as a container engine wrote it.
type BundleInput struct {
	OCI     *specs.Spec
	Profile profiles.Profile
	Host    Host
	// Strip leaves out what the bundle asks and the profile forbids, where it can
	// be left out; without it that is an error.
	Strip bool
	// HostNamespaces are the kinds that the bundle joins by a path and that are
	// the host's own.
	HostNamespaces []specs.LinuxNamespaceType
	// Unasked are the capabilities that the engine gives to whoever asks for
	// none. Others that the profile does not give are conflicts; without Unasked
	// none is, because it is not known what was asked for.
	Unasked []string
	// Config is the file that says what becomes of conflicts; oci.yaml when empty.
	Config string
	// Reacts says that what the filter refuses can be followed by something.
	Reacts bool
	// Encloses says that the network of the container can be held to the profile's
	// egress, and Resolvers which hosts answer for names beside the host's own: the
	// pod's are its user's to name.
	Encloses  bool
	Resolvers []netip.Addr
	// Pod is the one that the bundle belongs to, when its engine says so.
	Pod Pod
}

// Met is what a bundle came to: the spec to run, and what later execs and
// updates are met with.
type Met struct {
	OCI       *specs.Spec `json:"-"`
	Decisions []Decision  `json:"-"`
	// Stripped are those decisions that took away what the bundle asked for.
	Stripped []Decision `json:"-"`
	// Network is what is let out of the container's network; nil when nobody can
	// hold it to anything.
	Network *Network `json:"-"`
	// Landlock is what the processes of the container put themselves under, the first
	// one and those that join; nil: nothing. The runtime keeps it with the container.
	Landlock *Landlock `json:"-"`
	// Reactions are what follows a denial of each severity, "kill" or "freeze".
	Reactions map[event.Severity]string `json:"-"`

	Profile string                `json:"profile"`
	Process *specs.Process        `json:"process"`
	Limits  *specs.LinuxResources `json:"limits"`
	// Replaced is the user that the bundle asked for and the profile took away.
	Replaced *specs.User `json:"replaced,omitempty"`
}

const fromBundle = "bundle"

// MeetBundle is the meet of a bundle and a profile: never looser than either.
// Sets are intersected, limits are the smaller ones, restrictions are united.
// What cannot be met half way (a device, a mount, a namespace of the host) is an
// error, or left out. What belongs to the engine stays its own: the network, the
// hooks, the security label, and the path of the control group.
func MeetBundle(in BundleInput) (*Met, error) {
	if err := profiles.Validate(in.Profile); err != nil {
		return nil, err
	}
	oci, err := ownCopy(in.OCI)
	if err != nil {
		return nil, err
	}
	plan := &Plan{OCI: oci, Profile: in.Profile.Metadata.Name}
	m := &meeter{compiler: compiler{in: Input{Profile: in.Profile, Host: in.Host}, plan: plan}, bundle: in}
	m.oci, m.linux = oci, oci.Linux
	for _, step := range []func() error{
		m.meetNamespaces, m.meetUser, m.meetProcess, m.meetRootfs, m.meetMounts, m.meetPaths, m.meetDevices,
		m.meetResources, m.meetAnnotations, m.meetSeccomp, m.meetNetwork, m.meetLandlock,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &Met{
		OCI: oci, Decisions: m.plan.Decisions, Stripped: m.stripped, Profile: in.Profile.Metadata.Name,
		Process: oci.Process, Limits: m.limits(), Replaced: m.replaced,
		Reactions: m.plan.Reactions, Network: m.enclosed, Landlock: m.plan.Landlock,
	}, nil
}

// ownCopy is a spec that can be changed, with every part that is met.
func ownCopy(oci *specs.Spec) (*specs.Spec, error) {
	data, err := json.Marshal(oci)
	if err != nil {
		return nil, err
	}
	out := &specs.Spec{}
	if err := json.Unmarshal(data, out); err != nil {
		return nil, err
	}
	if out.Process == nil {
		return nil, problem.New("write process: {...} into its config.json", "the bundle has no process")
	}
	if out.Root == nil {
		out.Root = &specs.Root{}
	}
	if out.Linux == nil {
		out.Linux = &specs.Linux{}
	}
	if out.Linux.Resources == nil {
		out.Linux.Resources = &specs.LinuxResources{}
	}
	return out, nil
}

// meeter is a bundle on its way. It shares with the compiler what both decide.
type meeter struct {
	compiler
	bundle   BundleInput
	replaced *specs.User
	stripped []Decision
	enclosed *Network
	closed   bool // the bundle's root could be written to
}

// conflict is something that the bundle asks and the profile forbids. strip
// takes it out of the spec; instead says what is there then.
func (m *meeter) conflict(d Decision, strip func()) error {
	if !m.bundle.Strip {
		config := m.bundle.Config
		if config == "" {
			config = "oci.yaml"
		}
		return problem.New("ask for less, have the profile allow it, or write onConflict: strip into "+config,
			"the bundle asks for %s, which profile %s does not allow (%s): %s", clip(d.Setting), m.in.Profile.Metadata.Name, d.Source, d.Why)
	}
	strip()
	d.Setting = clip(d.Setting)
	m.stripped = append(m.stripped, d)
	return nil
}

// accepts says whether the profile accepts a weakening by name.
func (m *meeter) accepts(name string) bool {
	return slices.ContainsFunc(m.in.Profile.Accept, func(a profiles.Accept) bool { return a.Name == name })
}

// isolated are the namespaces that a container has of its own, or shares with
// those of its pod, but not with the host. Of the kinds that a pod never shares
// a container has its own.
var isolated = []struct {
	kind   specs.LinuxNamespaceType
	shared bool
	why    string
}{
	{specs.MountNamespace, false, "every mount of the host would be seen"},
	{specs.PIDNamespace, true, "every process of the host would be seen, and could be signalled"},
	{specs.IPCNamespace, true, "shared memory of the host's programs could be read"},
	{specs.NetworkNamespace, true, "services that listen on the host only could be reached"},
	{specs.UTSNamespace, true, "the host's name could be changed"},
}

func (m *meeter) meetNamespaces() error {
	for _, want := range isolated {
		at := slices.IndexFunc(m.linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == want.kind })
		host := at < 0 || slices.Contains(m.bundle.HostNamespaces, want.kind)
		if !host && (want.shared || m.linux.Namespaces[at].Path == "") {
			continue
		}
		err := m.conflict(Decision{
			Setting: "the host's " + string(want.kind) + " namespace", Value: "one of its own", Source: fromSafeRun, Why: want.why,
		}, func() {
			if at >= 0 {
				m.linux.Namespaces[at].Path = ""
				return
			}
			m.linux.Namespaces = append(m.linux.Namespaces, specs.LinuxNamespace{Type: want.kind})
		})
		if err != nil {
			return err
		}
	}
	m.ownGroups()
	return m.meetUserNamespace()
}

// ownGroups gives the container a view of control groups of its own, in which it is
// at the root (cgroup_namespaces(7)). Engines leave it out on version 1.
func (m *meeter) ownGroups() {
	at := slices.IndexFunc(m.linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.CgroupNamespace })
	switch {
	case at < 0:
		m.linux.Namespaces = append(m.linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	case slices.Contains(m.bundle.HostNamespaces, specs.CgroupNamespace):
		m.linux.Namespaces[at].Path = ""
	}
}

// meetUserNamespace cannot add one: the files of the container belong to the ids
// that its engine gave them.
func (m *meeter) meetUserNamespace() error {
	at := slices.IndexFunc(m.linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.UserNamespace })
	own := at >= 0 && !slices.Contains(m.bundle.HostNamespaces, specs.UserNamespace)
	if own && m.linux.Namespaces[at].Path == "" {
		hostRoot := func(l specs.LinuxIDMapping) bool { return l.HostID == 0 && l.Size > 0 }
		own = !slices.ContainsFunc(m.linux.UIDMappings, hostRoot) && !slices.ContainsFunc(m.linux.GIDMappings, hostRoot)
	}
	if own {
		return nil
	}
	if !m.accepts(profiles.WeakUserNamespace) {
		return problem.New(
			"run dockerd with --userns-remap, podman with --userns=auto, a pod with hostUsers: false; or write accept: [{name: user-namespace, why: ...}] into the profile",
			"the bundle has no user namespace of its own, which profile %s asks for, and one cannot be added here", m.in.Profile.Metadata.Name)
	}
	m.decide(Decision{
		Setting: "user namespace", Value: "none", Source: m.source(entry("accept", profiles.WeakUserNamespace)),
		Why:     m.why(entry("accept", profiles.WeakUserNamespace), "the engine gave the container none"),
		Weakens: "ids inside are the host's own ids",
	})
	return nil
}

// meetUser holds the first process to a user that the profile allows.
func (m *meeter) meetUser() error {
	p, user := m.in.Profile.Process, &m.oci.Process.User
	uid, gid := uint32(or(p.RunAsUser, defaultID)), uint32(or(p.RunAsGroup, defaultID))
	if or(p.UserFrom, profiles.UserFromImage) == profiles.UserFromProfile {
		m.replaced = new(*user)
		*user = specs.User{UID: uid, GID: gid, Umask: user.Umask}
	}
	rootOK := p.Root != nil && or(p.Root.Allow, false)
	if rootOK || user.UID != 0 && user.GID != 0 && !slices.Contains(user.AdditionalGids, 0) {
		return nil
	}
	return m.conflict(Decision{
		Setting: "user root", Value: fmt.Sprintf("%d:%d", uid, gid), Source: m.source("process.root"),
		Why: "root inside owns every file of the container",
	}, func() {
		if m.replaced == nil {
			m.replaced = new(*user)
		}
		if user.UID == 0 {
			user.UID = uid
		}
		if user.GID == 0 {
			user.GID = gid
		}
		user.AdditionalGids = slices.DeleteFunc(user.AdditionalGids, func(g uint32) bool { return g == 0 })
	})
}

// meetProcess holds the first process to what the profile leaves it.
func (m *meeter) meetProcess() error {
	p := m.oci.Process
	var allowed []string
	for _, c := range m.in.Profile.Process.Capabilities {
		allowed = append(allowed, "CAP_"+c.Name)
	}
	if err := m.addedCapabilities(allowed); err != nil {
		return err
	}
	p.Capabilities = meetCapabilities(p.Capabilities, allowed)
	m.decide(Decision{
		Setting: "capabilities", Value: listOr(p.Capabilities.Bounding, "none"), Source: m.source("process.capabilities"),
		Why: "those that both the bundle and the profile give",
	})
	if err := m.unjudged(); err != nil {
		return err
	}
	p.NoNewPrivileges = true
	m.decide(Decision{Setting: "no_new_privs", Value: "set", Source: fromSafeRun, Why: "setuid programs and file capabilities give nothing"})
	if adj := m.in.Profile.Process.OOMScoreAdj; adj != nil && (p.OOMScoreAdj == nil || *p.OOMScoreAdj < int(*adj)) {
		p.OOMScoreAdj = new(int(*adj))
	}
	// The compiler's limits are those of the profile on this host. Processes of a user
	// are not bounded but by request: engines give containers ids that others have.
	asked := p.Rlimits
	p.Rlimits = nil
	if err := m.limitTo(slices.Clone(m.in.Profile.Process.Rlimits)); err != nil {
		return err
	}
	p.Rlimits = meetRlimits(asked, p.Rlimits)
	return nil
}

// addedCapabilities finds those that were asked for and are not given.
func (m *meeter) addedCapabilities(allowed []string) error {
	asked := m.oci.Process.Capabilities
	if asked == nil || m.bundle.Unasked == nil {
		return nil
	}
	for _, name := range asked.Bounding {
		name = strings.ToUpper(name)
		if slices.Contains(m.bundle.Unasked, name) || slices.Contains(allowed, name) {
			continue
		}
		err := m.conflict(Decision{
			Setting: "capability " + name, Value: "left out", Source: m.source("process.capabilities"),
			Why: "it was added to those that a container has, and the profile does not give it",
		}, func() {})
		if err != nil {
			return err
		}
	}
	return nil
}

// meetCapabilities leaves of every set what is allowed. Without any sets a
// runtime gives all that it has itself.
func meetCapabilities(asked *specs.LinuxCapabilities, allowed []string) *specs.LinuxCapabilities {
	if asked == nil {
		asked = &specs.LinuxCapabilities{Bounding: allowed, Effective: allowed, Permitted: allowed}
	}
	meet := func(set []string) []string {
		out := []string{}
		for _, name := range set {
			if slices.Contains(allowed, strings.ToUpper(name)) && !slices.Contains(out, strings.ToUpper(name)) {
				out = append(out, strings.ToUpper(name))
			}
		}
		return out
	}
	return &specs.LinuxCapabilities{
		Bounding: meet(asked.Bounding), Effective: meet(asked.Effective), Permitted: meet(asked.Permitted),
		Inheritable: meet(asked.Inheritable), Ambient: meet(asked.Ambient),
	}
}

// meetRlimits keeps the smaller of two limits, and those that only one has.
func meetRlimits(a, b []specs.POSIXRlimit) []specs.POSIXRlimit {
	var out []specs.POSIXRlimit
	for _, l := range slices.Concat(a, b) {
		at := slices.IndexFunc(out, func(have specs.POSIXRlimit) bool { return have.Type == l.Type })
		if at < 0 {
			out = append(out, l)
			continue
		}
		out[at].Hard = min(out[at].Hard, l.Hard)
		out[at].Soft = min(out[at].Soft, l.Soft, out[at].Hard)
	}
	return out
}

func (m *meeter) meetRootfs() error {
	if or(m.in.Profile.Rootfs.ReadOnly, true) && !m.oci.Root.Readonly {
		m.oci.Root.Readonly, m.closed = true, true
		m.decide(Decision{
			Setting: "rootfs", Value: "read-only", Source: m.source("rootfs.readOnly"), Why: "what is broken into cannot be made to stay",
		})
	}
	switch m.linux.RootfsPropagation {
	case "":
		// A runtime's own choice is rslave: mounts of the host would appear inside.
		// An engine that has such a volume asks for it.
		m.linux.RootfsPropagation = "rprivate"
	case "shared", "rshared":
		return m.conflict(Decision{
			Setting: "rootfsPropagation " + m.linux.RootfsPropagation, Value: "rslave", Source: fromSafeRun,
			Why: "mounts made inside would appear on the host",
		}, func() { m.linux.RootfsPropagation = "rslave" })
	}
	return nil
}

func (m *meeter) meetPaths() error {
	p := m.in.Profile.Paths
	m.linux.MaskedPaths = union(union(p.Masked, alwaysMasked), m.linux.MaskedPaths)
	m.linux.ReadonlyPaths = union(union(p.ReadOnly, alwaysReadOnly), m.linux.ReadonlyPaths)
	m.linux.ReadonlyPaths = slices.DeleteFunc(m.linux.ReadonlyPaths, func(at string) bool {
		return slices.Contains(m.linux.MaskedPaths, at)
	})
	return nil
}

// meetSeccomp lets through what both filters do.
func (m *meeter) meetSeccomp() error {
	asked := m.linux.Seccomp
	if err := m.seccomp(); err != nil {
		return err
	}
	if len(m.plan.Reactions) > 0 && !m.bundle.Reacts {
		return problem.New("take seccomp.onViolation out of the profile, or run it by safe-run or by containerd with containerd-shim-saferun-v2",
			"profile %s wants violations to be followed (seccomp.onViolation), which cannot be done here", m.in.Profile.Metadata.Name)
	}
	m.linux.Seccomp = meetFilters(m.linux.Seccomp, asked)
	if asked != nil && !slices.Contains(passedNames(m.linux.Seccomp), "execve") {
		return problem.New("allow execve in the engine's filter (docker: --security-opt seccomp=FILE)",
			"the bundle's system call filter refuses execve: no program could be started under it")
	}
	return nil
}
