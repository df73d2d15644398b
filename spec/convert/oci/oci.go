// Package oci converts the config.json of a bundle to a profile.
package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/convert/docker"
	"github.com/safe-run/safe-run/spec/problem"
)

// Most bounds a config.json.
const Most = 4 << 20

// Convert reads a config.json. name is what messages call it.
func Convert(name string, data []byte) (convert.Result, error) {
	ask, err := Read(name, data)
	if err != nil {
		return convert.Result{}, err
	}
	return convert.Convert(ask)
}

// reader is a spec that is being read.
type reader struct {
	name string
	data []byte
	spec specs.Spec
	ask  convert.Ask
}

// Read understands a config.json.
func Read(name string, data []byte) (convert.Ask, error) {
	r := &reader{name: name, data: data, ask: convert.Ask{Format: "oci", Name: "converted"}}
	if err := r.decode(); err != nil {
		return r.ask, err
	}
	if r.spec.Process == nil {
		return r.ask, r.fail("", "write process: {...} into it", "it has no process")
	}
	if r.spec.Linux == nil {
		r.spec.Linux = &specs.Linux{}
	}
	if r.spec.Root != nil {
		r.ask.ReadOnly = r.spec.Root.Readonly
	}
	if r.spec.Hostname != "" {
		r.ask.Name = r.spec.Hostname
		r.ask.Flags = append(r.ask.Flags, "--hostname="+r.spec.Hostname)
	}
	r.process()
	r.rlimits()
	for _, step := range []func() error{r.mounts, r.filter} {
		if err := step(); err != nil {
			return r.ask, err
		}
	}
	r.resources()
	r.namespaces()
	r.rest()
	return r.ask, nil
}

// decode is strict: an unknown field would be lost without a word.
func (r *reader) decode() error {
	const hint = "name the config.json of a bundle (runtime-spec)"
	if len(r.data) > Most {
		return problem.New(hint, "%s is larger than %d MiB", r.name, Most>>20)
	}
	dec := json.NewDecoder(bytes.NewReader(r.data))
	dec.DisallowUnknownFields()
	err := dec.Decode(&r.spec)
	if err == nil && dec.More() {
		rest := bytes.TrimLeft(r.data[dec.InputOffset():], " \t\r\n")
		line, column := convert.Place(r.data, int64(len(r.data)-len(rest))+1)
		return problem.New("keep one document", "%s:%d:%d: there is more behind the document", r.name, line, column)
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		line, column := convert.Place(r.data, syntax.Offset)
		return problem.New(hint, "%s:%d:%d: this is not JSON: %w", r.name, line, column, err)
	case errors.As(err, &kind):
		line, column := convert.Place(r.data, kind.Offset)
		return problem.New("see the runtime specification", "%s:%d:%d: %s is a %s and must be a %s", r.name, line, column, kind.Field, kind.Value, kind.Type)
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return r.fail(strings.Trim(field, `"`), "remove it, or correct its name", "unknown field "+field)
	}
	return problem.New(hint, "%s: %w", r.name, err)
}

// place is where a key is first written, as well as that can be told.
func (r *reader) place(key string) string {
	at := bytes.Index(r.data, []byte(`"`+key+`"`))
	if key == "" || at < 0 {
		return r.name
	}
	line, column := convert.Place(r.data, int64(at)+1)
	return fmt.Sprintf("%s:%d:%d", r.name, line, column)
}

func (r *reader) fail(key, hint, what string) error {
	return problem.New(hint, "%s: %s", r.place(key), what)
}

func (r *reader) tell(kind convert.Kind, key, value, what string) {
	r.ask.Tell(convert.Finding{Kind: kind, Setting: key, Value: value, Place: r.place(key), What: what})
}

func (r *reader) process() {
	p := r.spec.Process
	r.ask.User = fmt.Sprintf("%d:%d", p.User.UID, p.User.GID)
	for key, name := range map[string]string{
		"user": "user", "cap-add": "capabilities", "no-new-privileges": "noNewPrivileges", "read-only": "readonly", "memory": "memory", "cpus": "cpu",
		"pids-limit": "pids", "ulimit": "rlimits", "seccomp": "seccomp", "tmpfs": "mounts", "oom-score-adj": "oomScoreAdj",
	} {
		r.ask.Said(key, name, r.place(name))
	}
	if len(p.Args) > 0 {
		r.ask.Entrypoint, r.ask.Args = p.Args[:1], p.Args[1:]
	}
	for _, e := range p.Env {
		r.ask.Flags = append(r.ask.Flags, "--env="+e)
	}
	if p.Cwd != "" && p.Cwd != "/" {
		r.ask.Flags = append(r.ask.Flags, "--workdir="+p.Cwd)
	}
	if len(p.User.AdditionalGids) > 0 {
		r.tell(convert.Missing, "additionalGids", fmt.Sprint(p.User.AdditionalGids), "a process has the groups of its user in the image, and no others")
	}
	r.ask.DropAll, r.ask.NoNewPrivs = true, p.NoNewPrivileges
	if c := p.Capabilities; c != nil {
		r.ask.Capabilities = slices.Compact(slices.Sorted(slices.Values(slices.Concat(c.Permitted, c.Effective, c.Ambient))))
	}
	if p.OOMScoreAdj != nil {
		r.ask.OOMScoreAdj = new(int64(*p.OOMScoreAdj))
	}
	for _, m := range []struct{ key, value string }{{"apparmorProfile", p.ApparmorProfile}, {"selinuxLabel", p.SelinuxLabel}} {
		if m.value != "" {
			r.tell(convert.Missing, m.key, m.value, "safe-run needs no security module; where the host has one its own policy applies")
		}
	}
}

func (r *reader) rlimits() {
	for _, l := range r.spec.Process.Rlimits {
		const most = 1<<63 - 1
		r.ask.Rlimits = append(r.ask.Rlimits, profiles.Rlimit{
			Name: strings.ToLower(strings.TrimPrefix(l.Type, "RLIMIT_")), Soft: new(int64(min(l.Soft, most))), Hard: new(int64(min(l.Hard, most))),
		})
	}
}

// kernelMounts are what every container has.
var kernelMounts = []string{"proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2"}

func (r *reader) mounts() error {
	for _, m := range r.spec.Mounts {
		bind := m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
		switch {
		case bind:
			r.ask.Mounts = append(r.ask.Mounts, convert.Mount{
				Source: m.Source, Target: m.Destination, ReadOnly: slices.Contains(m.Options, "ro"), Source2: convert.Source{Setting: "mounts", Place: r.place(m.Destination)},
			})
		case m.Type == "tmpfs" && m.Destination != "/dev":
			t, err := docker.Tmpfs(m.Destination + ":" + strings.Join(m.Options, ","))
			if err != nil {
				return problem.New(problem.HintOf(err), "%s: %w", r.place(m.Destination), err)
			}
			if t.Exec == nil && !slices.Contains(m.Options, "noexec") {
				t.Exec = new(true)
			}
			r.ask.Tmpfs = append(r.ask.Tmpfs, t)
		case m.Type == "tmpfs", slices.Contains(kernelMounts, m.Type):
		default:
			r.tell(convert.Missing, "mounts", m.Destination, "a filesystem of type "+m.Type+" is not mounted")
		}
	}
	return nil
}

func (r *reader) filter() error {
	s := r.spec.Linux.Seccomp
	if s == nil {
		r.ask.Unconfined = true
		return nil
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	r.ask.Seccomp, err = convert.ReadFilter(r.name, data)
	return err
}

func (r *reader) resources() {
	res := r.spec.Linux.Resources
	if res == nil {
		return
	}
	if m := res.Memory; m != nil && m.Limit != nil && *m.Limit > 0 {
		r.ask.Memory = new(profiles.Bytes(*m.Limit))
		if m.Swap != nil && *m.Swap >= *m.Limit {
			r.ask.Swap = new(profiles.Bytes(*m.Swap - *m.Limit))
		}
	}
	if c := res.CPU; c != nil && c.Quota != nil && *c.Quota > 0 {
		period := uint64(100000)
		if c.Period != nil && *c.Period > 0 {
			period = *c.Period
		}
		r.ask.CPUs = new(profiles.MilliCPU(min(uint64(min(*c.Quota, 1<<40))*1000/period, 8192000)))
	}
	if res.Pids != nil {
		r.ask.Pids = res.Pids.Limit
	}
	for _, d := range res.Devices {
		if d.Allow {
			r.tell(convert.Tightened, "devices", d.Access, "a device is the host's own, and is not given")
			break
		}
	}
}

func (r *reader) namespaces() {
	for _, kind := range []specs.LinuxNamespaceType{
		specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace, specs.NetworkNamespace, specs.CgroupNamespace, specs.UserNamespace,
	} {
		at := slices.IndexFunc(r.spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
		switch {
		case at < 0:
			r.tell(convert.Tightened, "namespaces", string(kind), "it shared the host's; here a container has one of its own")
		case r.spec.Linux.Namespaces[at].Path != "":
			r.tell(convert.Tightened, "namespaces", string(kind), "it shared one that others have; here a container has one of its own")
		}
	}
	r.ask.Network = "none"
}

func (r *reader) rest() {
	l := r.spec.Linux
	r.ask.Masked, r.ask.ReadOnlyPaths = docker.CleanPaths(l.MaskedPaths), docker.CleanPaths(l.ReadonlyPaths)
	for name, value := range l.Sysctl {
		if docker.Sysctl(&r.ask, name+"="+value, r.place("sysctl")) != nil {
			r.tell(convert.Missing, "sysctl", name, "its value is no number")
		}
	}
	if h := r.spec.Hooks; h != nil {
		r.tell(convert.Tightened, "hooks", "", "they are programs that run on the host; none is run")
	}
	if len(l.Devices) > 0 {
		r.tell(convert.Tightened, "devices", l.Devices[0].Path, "a device is the host's own, and is not given")
	}
	for key, set := range map[string]bool{"intelRdt": l.IntelRdt != nil, "timeOffsets": len(l.TimeOffsets) > 0, "personality": l.Personality != nil, "mountLabel": l.MountLabel != ""} {
		if set {
			r.tell(convert.Missing, key, "", "it is not set")
		}
	}
	slices.SortStableFunc(r.ask.Told, func(a, b convert.Finding) int { return strings.Compare(a.Setting+a.Value, b.Setting+b.Value) })
}
