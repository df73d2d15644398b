package profiles

import (
	"reflect"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// Complete makes a profile ready to be compiled: it validates it, writes out
// the allowances that nobody gave as empty ones, and reports limits that are
// left open. Resolve does so; do it again after laying flags over the result.
func Complete(p Profile) (Profile, error) {
	if err := Validate(p); err != nil {
		return Profile{}, err
	}
	p = closed(p)
	if err := complete(p); err != nil {
		return Profile{}, err
	}
	return p, nil
}

// complete reports the limits that a resolved profile leaves open, and settings
// that make no sense with each other once all layers are there.
func complete(p Profile) error {
	var errs Errors
	at := p.Origin("metadata")
	open := []struct {
		path string
		set  bool
	}{
		{"process.runAsUser", p.Process.RunAsUser != nil},
		{"process.runAsGroup", p.Process.RunAsGroup != nil},
		{"process.userFrom", p.Process.UserFrom != nil},
		{"process.rlimits", p.Process.Rlimits != nil},
		{"rootfs.readOnly", p.Rootfs.ReadOnly != nil},
		{"paths.masked", p.Paths.Masked != nil},
		{"paths.readOnly", p.Paths.ReadOnly != nil},
		{"resources.memory", p.Resources.Memory != nil},
		{"resources.swap", p.Resources.Swap != nil},
		{"resources.cpus", p.Resources.CPUs != nil},
		{"resources.pids", p.Resources.Pids != nil},
		{"seccomp.allow", len(p.Seccomp.Allow) > 0},
		{"network.mode", p.Network.Mode != nil},
	}
	var left []string
	for _, o := range open {
		if !o.set {
			left = append(left, o.path)
		}
	}
	if len(left) > 0 {
		errs.add(at, problem.New("add extends: default to begin from the safe defaults", "the profile leaves open %s", strings.Join(left, ", ")))
	}
	for _, t := range p.Mounts.Tmpfs {
		if t.Size == nil {
			path := entry("mounts.tmpfs", t.Path)
			errs.add(p.Origin(path), problem.New("write size: 64MiB, or what the program needs", "%s has no size", path))
		}
	}
	if ro := p.Rootfs.ReadOnly; ro != nil && !*ro && p.Rootfs.Size == nil {
		errs.add(p.Origin("rootfs.readOnly"), problem.New("write rootfs.size: 256MiB, or what the program needs", "rootfs: the writable root filesystem has no size"))
	}
	if m := p.Network.Mode; m != nil && *m == NetworkNone && len(p.Network.Egress) > 0 {
		errs.add(p.Origin("network.egress"), problem.New("set network.mode: bridge with a why, or remove egress", "network.egress: there is no network to leave by"))
	}
	return errs.orNil()
}

// A tmpfs without inodes of its own gets as many as files of one page fit.
const (
	pageSize    = 4096
	leastInodes = 1024
)

// closed writes out the allowances that nobody gave, so that tightening by a
// floor cannot hand out what the profile never asked for.
func closed(p Profile) Profile {
	out := Layer(Profile{}, p)
	closeSection(reflect.ValueOf(&out).Elem())
	out.Image.Vulnerabilities = gate(out.Image.Vulnerabilities)
	for i, t := range out.Mounts.Tmpfs {
		if t.Inodes == nil && t.Size != nil {
			inodes := max(int64(*t.Size)/pageSize, leastInodes)
			out.Mounts.Tmpfs[i].Inodes = &inodes
		}
	}
	return out
}

func closeSection(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		switch {
		case value.Type() == reflect.TypeFor[Vulnerabilities](): // see gate
		case value.Kind() == reflect.Pointer && isSection(value.Type()):
			if value.IsNil() {
				value.Set(reflect.New(value.Type().Elem()))
			}
			closeSection(value.Elem())
		case isSection(value.Type()):
			closeSection(value)
		case value.Kind() == reflect.Slice:
			if value.IsNil() && (f.meet == "intersect" || f.meet == "method") {
				value.Set(reflect.MakeSlice(value.Type(), 0, 0))
			}
			if value.Type().Elem().Kind() == reflect.Struct {
				for i := range value.Len() {
					closeSection(value.Index(i))
				}
			}
		case f.meet == "and" && value.IsNil():
			value.Set(reflect.ValueOf(new(bool)))
		}
	}
}
