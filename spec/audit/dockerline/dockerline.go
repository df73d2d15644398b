// Package dockerline reads a docker run (or create, or podman's) command line into
// facts, with docker's defaults for what it does not say.
package dockerline

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/problem"
)

// Read reads a command line. Warnings are what could not be judged.
func Read(text string) (audit.Facts, []string, error) {
	all, expanded, err := words(text)
	if err != nil {
		return audit.Facts{}, nil, problem.New(problem.HintOf(err), "the docker command line: %w", err)
	}
	rest, err := afterRun(all)
	if err != nil {
		return audit.Facts{}, nil, err
	}
	p, err := parse(rest)
	if err != nil {
		return audit.Facts{}, nil, problem.New(problem.HintOf(err), "the docker command line: %w", err)
	}
	var warnings []string
	if expanded {
		warnings = append(warnings, "variables and substitutions were not expanded: what they stand for was not judged")
	}
	return p.facts(), warnings, nil
}

// afterRun leaves "docker run" out, and what stands before it.
func afterRun(all []string) ([]string, error) {
	const hint = `write it whole: --docker "docker run --read-only nginx:1.27"`
	for len(all) > 0 && (all[0] == "sudo" || strings.Contains(all[0], "=")) {
		all = all[1:]
	}
	if len(all) > 0 && slices.Contains([]string{"docker", "podman", "nerdctl"}, path.Base(all[0])) {
		all = all[1:]
	} else {
		return nil, problem.New(hint, "this is no docker command line")
	}
	if len(all) > 0 && all[0] == "container" {
		all = all[1:]
	}
	if len(all) == 0 || all[0] != "run" && all[0] != "create" {
		return nil, problem.New(hint, "only docker run and docker create can be judged")
	}
	return all[1:], nil
}

// at is an option as a place.
func at(o string) audit.Place { return audit.Place{Path: "--" + o} }

const byDefault = "docker's default"

func (p parsed) facts() audit.Facts {
	f := audit.Facts{
		Seccomp:         audit.Default(audit.RuntimeDefault, byDefault),
		Capabilities:    p.capabilities(),
		Privileged:      audit.Said(p.on("privileged"), at("privileged")),
		NoNewPrivileges: audit.Default(false, byDefault),
		Root:            audit.Default(true, "unless the image names another user"),
		UserNamespace:   audit.Default(false, "unless the daemon has userns-remap"),
		PID:             p.own("pid", "host"), IPC: p.own("ipc", "host"), Network: p.own("network", "host", "net"), UTS: p.own("uts", "host"),
		CgroupNS:     p.own("cgroupns", "host"),
		ReadOnlyRoot: p.flag("read-only"),
		Memory:       p.given("memory", "0"), CPU: p.given("cpus", "0", "cpu-quota"), Pids: p.given("pids-limit", "0", "-1"),
		Rlimits:   p.given("ulimit"),
		Logs:      p.logs(),
		Masked:    audit.Default(true, byDefault),
		LSM:       audit.Default(audit.Confined, "where the host has AppArmor or SELinux: "+byDefault),
		OwnCgroup: audit.Default(true, byDefault),
		Image:     audit.Said(p.image, audit.Place{Path: "IMAGE"}),
		Pinned:    strings.Contains(p.image, "@sha256:"),
	}
	if _, there := p.last("cgroup-parent"); there {
		f.OwnCgroup = audit.Said(false, at("cgroup-parent"))
	}
	if user, there := p.last("user"); there {
		name, _, _ := strings.Cut(user, ":")
		f.Root = audit.Said(slices.Contains([]string{"", "0", "root"}, name), at("user"))
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			f.Root.Is = n == 0 // 00 is root, too
		}
	}
	p.usernsAndReach(&f)
	p.security(&f)
	p.outside(&f)
	return f
}

// own is a namespace: its own unless the option says "host", or joins another's.
func (p parsed) own(name, host string, aliases ...string) audit.Answer[bool] {
	value, there := p.last(append(aliases, name)...)
	switch {
	case !there:
		return audit.Default(true, byDefault)
	case value == host:
		return audit.Said(false, at(name))
	case strings.HasPrefix(value, "container:"):
		return audit.Elsewhere[bool]("it joins " + value)
	}
	return audit.Said(true, at(name))
}

func (p parsed) flag(name string) audit.Answer[bool] { return audit.Said(p.on(name), at(name)) }

// given is a limit: there unless its value says that there is none.
func (p parsed) given(name string, more ...string) audit.Answer[bool] {
	names := []string{name}
	for _, m := range more {
		if strings.HasPrefix(m, "cpu-") {
			names = append(names, m)
		}
	}
	value, there := p.last(names...)
	return audit.Said(there && !slices.Contains(more, value) && value != "", at(name))
}

func (p parsed) logs() audit.Answer[bool] {
	driver, _ := p.last("log-driver")
	for _, o := range p.every("log-opt") {
		if strings.HasPrefix(o.value, "max-size=") {
			return audit.Said(true, at("log-opt"))
		}
	}
	if driver == "none" || driver == "local" {
		return audit.Said(true, at("log-driver"))
	}
	return audit.Answer[bool]{Known: true, At: at("log-opt"), Note: "unless the daemon's configuration bounds them"}
}

func (p parsed) capabilities() audit.Answer[[]string] {
	bare := func(s string) string { return strings.TrimPrefix(strings.ToUpper(s), "CAP_") }
	held := audit.DockerCapabilities()
	dropped := p.every("cap-drop")
	for _, o := range dropped {
		if bare(o.value) == "ALL" {
			held = nil
		}
		held = slices.DeleteFunc(held, func(one string) bool { return one == bare(o.value) })
	}
	added := p.every("cap-add")
	for _, o := range added {
		if !slices.Contains(held, bare(o.value)) {
			held = append(held, bare(o.value))
		}
	}
	if len(dropped)+len(added) == 0 {
		a := audit.Default(held, byDefault)
		a.At = at("cap-drop")
		return a
	}
	return audit.Said(held, at("cap-drop"))
}

func (p parsed) usernsAndReach(f *audit.Facts) {
	switch value, there := p.last("userns"); {
	case there && value == "host":
		f.UserNamespace = audit.Said(false, at("userns"))
	case there && value != "":
		f.UserNamespace = audit.Said(true, at("userns"))
	}
	network, there := p.last("network", "net")
	switch {
	case network == "none":
		f.Reach = audit.Said(audit.ReachNothing, at("network"))
	case strings.HasPrefix(network, "container:"):
		f.Reach = audit.Elsewhere[audit.Reach]("it joins " + network)
	case there && network != "bridge" && network != "default":
		f.Reach = audit.Elsewhere[audit.Reach]("whether the network " + network + " is internal is the daemon's to say")
	default:
		f.Reach = audit.Default(audit.ReachAll, byDefault)
		f.Reach.At = at("network")
	}
}

// security reads --security-opt.
func (p parsed) security(f *audit.Facts) {
	for _, o := range p.every("security-opt") {
		key, value, _ := strings.Cut(strings.Replace(o.value, ":", "=", 1), "=")
		place := at("security-opt " + o.value)
		switch key {
		case "no-new-privileges":
			f.NoNewPrivileges = audit.Said(value == "" || value == "true", place)
		case "seccomp":
			switch value {
			case "unconfined":
				f.Seccomp = audit.Said(audit.NoFilter, place)
			case "builtin":
				f.Seccomp = audit.Said(audit.RuntimeDefault, place)
			default:
				f.Seccomp = audit.Elsewhere[audit.Filter]("it is the file " + value)
			}
		case "apparmor":
			f.LSM = audit.Said(confinement(value == "unconfined"), place)
		case "label":
			f.LSM = audit.Said(confinement(value == "disable"), place)
		case "systempaths":
			f.Masked = audit.Said(value != "unconfined", place)
		case "unmask":
			f.Masked = audit.Said(false, place)
		}
	}
}

func confinement(off bool) audit.Confinement {
	if off {
		return audit.Unconfined
	}
	return audit.Confined
}
