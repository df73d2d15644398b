// Package bundle reads the config.json of an OCI bundle (runtime-spec) into facts.
package bundle

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	strictjson "sigs.k8s.io/json"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/located"
	"github.com/safe-run/safe-run/spec/problem"
)

// Read reads a config.json. Members that there are not are warnings.
func Read(source string, data []byte) (audit.Facts, []string, error) {
	doc, err := located.JSON(data)
	if err != nil {
		return audit.Facts{}, nil, problem.New(problem.HintOf(err), "%s: %w", source, err)
	}
	var s specs.Spec
	strict, err := strictjson.UnmarshalStrict(doc.JSON, &s)
	if err != nil {
		return audit.Facts{}, nil, problem.New("see the OCI runtime specification", "%s is no OCI configuration: %w", source, err)
	}
	if s.Version == "" || s.Process == nil || s.Linux == nil {
		return audit.Facts{}, nil, problem.New("make one with: runc spec", "%s is no OCI configuration for Linux: ociVersion, process or linux is missing", source)
	}
	r := reader{source: source, doc: doc, spec: &s}
	var warnings []string
	for _, e := range strict {
		if len(warnings) < 50 {
			warnings = append(warnings, r.warning(e))
		}
	}
	return r.facts(), warnings, nil
}

type reader struct {
	source string
	doc    located.Document
	spec   *specs.Spec
}

func (r reader) at(path string) audit.Place {
	where := r.doc.Where(path)
	return audit.Place{Source: r.source, Line: where.Line, Column: where.Column, Path: path}
}

var unknown = regexp.MustCompile(`^unknown field "(.*)"$`)

func (r reader) warning(err error) string {
	path := ""
	if m := unknown.FindStringSubmatch(err.Error()); m != nil {
		path = m[1]
	}
	where := r.doc.Where(path)
	return fmt.Sprintf("%s:%d:%d: %s, which says nothing", r.source, where.Line, where.Column, err)
}

func (r reader) facts() audit.Facts {
	s, p := r.spec, r.spec.Process
	f := audit.Facts{
		Seccomp:         r.seccomp(),
		Capabilities:    audit.Said([]string(nil), r.at("process.capabilities")),
		Privileged:      audit.Default(false, ""),
		NoNewPrivileges: audit.Said(p.NoNewPrivileges, r.at("process.noNewPrivileges")),
		Root:            audit.Said(p.User.UID == 0, r.at("process.user.uid")),
		UserNamespace:   r.namespace(specs.UserNamespace),
		PID:             r.namespace(specs.PIDNamespace),
		IPC:             r.namespace(specs.IPCNamespace),
		Network:         r.namespace(specs.NetworkNamespace),
		UTS:             r.namespace(specs.UTSNamespace),
		CgroupNS:        r.namespace(specs.CgroupNamespace),
		ReadOnlyRoot:    audit.Said(s.Root != nil && s.Root.Readonly, r.at("root.readonly")),
		Rlimits:         audit.Said(len(p.Rlimits) > 0, r.at("process.rlimits")),
		Masked:          r.masked(),
		LSM:             r.lsm(),
		Reach:           audit.Elsewhere[audit.Reach]("who made the network namespace decides"),
		OwnCgroup:       audit.Default(true, "the caller's"),
		Image:           audit.Elsewhere[string]("a bundle does not say which image it came from"),
	}
	if c := p.Capabilities; c != nil {
		held := []string{}
		for _, name := range slices.Concat(c.Bounding, c.Permitted, c.Effective, c.Ambient) {
			if name = strings.TrimPrefix(name, "CAP_"); !slices.Contains(held, name) {
				held = append(held, name)
			}
		}
		f.Capabilities = audit.Said(held, r.at("process.capabilities"))
	}
	r.limits(&f)
	r.mounts(&f)
	for i, d := range s.Linux.Devices {
		f.Devices = append(f.Devices, audit.Named{Name: d.Path, At: r.at(fmt.Sprintf("linux.devices[%d]", i))})
	}
	r.rules(&f)
	for name := range s.Linux.Sysctl {
		f.Sysctls = append(f.Sysctls, audit.Named{Name: name, At: r.at("linux.sysctl." + name)})
	}
	slices.SortFunc(f.Sysctls, func(a, b audit.Named) int { return strings.Compare(a.Name, b.Name) })
	return f
}

// namespace says whether there is a new one. One that is joined by its path may be
// anybody's.
func (r reader) namespace(kind specs.LinuxNamespaceType) audit.Answer[bool] {
	for i, n := range r.spec.Linux.Namespaces {
		if n.Type != kind {
			continue
		}
		at := r.at(fmt.Sprintf("linux.namespaces[%d]", i))
		switch {
		case n.Path == "":
			return audit.Said(true, at)
		case strings.HasPrefix(n.Path, "/proc/1/") || strings.HasPrefix(n.Path, "/proc/self/"):
			return audit.Said(false, at)
		}
		return audit.Elsewhere[bool]("it joins " + n.Path)
	}
	return audit.Said(false, r.at("linux.namespaces"))
}

func (r reader) seccomp() audit.Answer[audit.Filter] {
	s := r.spec.Linux.Seccomp
	at := r.at("linux.seccomp")
	switch {
	case s == nil:
		return audit.Said(audit.NoFilter, at)
	case s.DefaultAction == specs.ActAllow || s.DefaultAction == specs.ActLog:
		return audit.Said(audit.OpenByDefault, at)
	}
	return audit.Said(audit.AllowList, at)
}

// masked asks for the paths that every runtime masks: without them a root inside
// reads the host's memory, or has the kernel start programs.
func (r reader) masked() audit.Answer[bool] {
	for _, path := range []string{"/proc/kcore", "/proc/keys", "/proc/timer_list"} {
		if !covered(r.spec.Linux.MaskedPaths, path) {
			return audit.Answer[bool]{Known: true, At: r.at("linux.maskedPaths"), Note: path + " is not masked"}
		}
	}
	for _, path := range []string{"/proc/sys", "/proc/sysrq-trigger"} {
		if !covered(r.spec.Linux.ReadonlyPaths, path) && !covered(r.spec.Linux.MaskedPaths, path) {
			return audit.Answer[bool]{Known: true, At: r.at("linux.readonlyPaths"), Note: path + " can be written"}
		}
	}
	return audit.Said(true, r.at("linux.maskedPaths"))
}

func covered(list []string, path string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return one == path || strings.HasPrefix(path, strings.TrimSuffix(one, "/")+"/") })
}

func (r reader) lsm() audit.Answer[audit.Confinement] {
	switch name := r.spec.Process.ApparmorProfile; {
	case name == "unconfined":
		return audit.Said(audit.Unconfined, r.at("process.apparmorProfile"))
	case name != "":
		return audit.Said(audit.Confined, r.at("process.apparmorProfile"))
	case r.spec.Process.SelinuxLabel != "":
		return audit.Said(audit.Confined, r.at("process.selinuxLabel"))
	}
	return audit.Answer[audit.Confinement]{Is: audit.Unconfined, Known: true, At: r.at("process"), Note: "no profile and no label is named"}
}

func (r reader) limits(f *audit.Facts) {
	resources := r.spec.Linux.Resources
	if resources == nil {
		resources = &specs.LinuxResources{}
	}
	m, c, p := resources.Memory, resources.CPU, resources.Pids
	f.Memory = audit.Said(m != nil && m.Limit != nil && *m.Limit > 0, r.at("linux.resources.memory"))
	f.CPU = audit.Said(c != nil && c.Quota != nil && *c.Quota > 0, r.at("linux.resources.cpu"))
	f.Pids = audit.Said(p != nil && p.Limit != nil && *p.Limit > 0, r.at("linux.resources.pids"))
}

// rules look for a device rule that opens everything, or every disk.
func (r reader) rules(f *audit.Facts) {
	if r.spec.Linux.Resources == nil {
		return
	}
	for i, rule := range r.spec.Linux.Resources.Devices {
		every := rule.Type == "a" || rule.Type == "" || rule.Type == "b"
		if rule.Allow && every && (rule.Major == nil || *rule.Major < 0) && (rule.Minor == nil || *rule.Minor < 0) && strings.ContainsAny(rule.Access+"r", "rw") && rule.Access != "m" {
			f.Devices = append(f.Devices, audit.Named{Name: "every device, by a rule", At: r.at(fmt.Sprintf("linux.resources.devices[%d]", i))})
		}
	}
}

func (r reader) mounts(f *audit.Facts) {
	for i, m := range r.spec.Mounts {
		at := r.at(fmt.Sprintf("mounts[%d]", i))
		has := func(option string) bool { return slices.Contains(m.Options, option) }
		switch {
		case has("bind") || has("rbind") || m.Type == "bind":
			f.Mounts = append(f.Mounts, audit.Mount{Host: m.Source, Inside: m.Destination, Writable: !has("ro"), Shared: has("shared") || has("rshared"), At: at})
		case m.Type == "tmpfs" && m.Destination != "/dev":
			bounded := slices.ContainsFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, "size=") })
			f.Tmpfs = append(f.Tmpfs, audit.Tmpfs{Path: m.Destination, Bounded: bounded, Exec: !has("noexec"), Suid: !has("nosuid"), Dev: !has("nodev"), At: at})
		}
	}
	if p := r.spec.Linux.RootfsPropagation; p == "shared" || p == "rshared" {
		f.SharedRoot = audit.Said(true, r.at("linux.rootfsPropagation"))
	}
}
