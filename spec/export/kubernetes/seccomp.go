package kubernetes

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// filterName is what the filter is called: another profile's has another name.
func (x *exporter) filterName() string { return x.o.Namespace + "-" + x.in.Name }

// filterPath is where kubelet finds it, below its own directory of filters.
func (x *exporter) filterPath() string {
	if x.o.Seccomp == FilterOperator {
		return "operator/" + x.filterName() + ".json"
	}
	return "safe-run/" + x.filterName() + ".json"
}

// filterArchitectures are those that nodes have.
var filterArchitectures = []string{"amd64", "arm64"}

// filter is one for the nodes of all architectures. A name that an architecture
// does not have is left out by the runtime there.
func (x *exporter) filter() (*specs.LinuxSeccomp, error) {
	var out *specs.LinuxSeccomp
	for _, arch := range filterArchitectures {
		one, err := seccomp.Render(spec.SeccompPolicy(x.p, arch))
		if err != nil {
			return nil, x.refuse("seccomp.allow", "correct seccomp: in the profile", "%v", err)
		}
		if out == nil {
			out = one
			continue
		}
		if out, err = united(out, one); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// united lays two filters of the same policy together. Their rules about
// arguments are the same, or there is no one file for both.
func united(a, b *specs.LinuxSeccomp) (*specs.LinuxSeccomp, error) {
	out := *a
	out.Architectures = slices.Concat(a.Architectures, b.Architectures)
	out.Syscalls = slices.Clone(a.Syscalls)
	for _, call := range b.Syscalls {
		same := slices.IndexFunc(out.Syscalls, func(other specs.LinuxSyscall) bool {
			return other.Action == call.Action && reflect.DeepEqual(other.ErrnoRet, call.ErrnoRet) && reflect.DeepEqual(other.Args, call.Args) &&
				(len(call.Args) == 0 || slices.Equal(other.Names, call.Names))
		})
		if same < 0 {
			out.Syscalls = append(out.Syscalls, call)
			continue
		}
		names := slices.Concat(out.Syscalls[same].Names, call.Names)
		slices.Sort(names)
		out.Syscalls[same].Names = slices.Compact(names)
	}
	return &out, consistent(&out)
}

// consistent finds a call that is answered in two ways whatever its arguments.
func consistent(f *specs.LinuxSeccomp) error {
	whole := map[string]specs.LinuxSeccompAction{}
	for _, call := range f.Syscalls {
		for _, name := range call.Names {
			action, twice := whole[name]
			if twice && (len(call.Args) == 0 || action != "") {
				return fmt.Errorf("seccomp: %s is answered in two ways, which is a mistake in safe-run", name)
			}
			if len(call.Args) == 0 {
				whole[name] = call.Action
			} else {
				whole[name] = ""
			}
		}
	}
	return nil
}

// unnamed are the calls of all architectures that a filter says nothing of.
func unnamed(f *specs.LinuxSeccomp) []string {
	return slices.DeleteFunc(seccomp.AllNames(), func(name string) bool {
		somewhere := slices.ContainsFunc(filterArchitectures, func(arch string) bool { _, ok := seccomp.Number(arch, name); return ok })
		return !somewhere || slices.ContainsFunc(f.Syscalls, func(call specs.LinuxSyscall) bool { return slices.Contains(call.Names, name) })
	})
}

// filterFile is the filter as kubelet wants it on each node.
func filterFile(f *specs.LinuxSeccomp) ([]byte, error) {
	data, err := json.MarshalIndent(f, "", "  ")
	return append(data, '\n'), err
}

// operatorProfile is the filter as the security-profiles-operator, 0.9 or later, puts
// it on each node. Its type has no defaultErrnoRet, and the API server refuses what has
// one: so the calls that the filter leaves to its default are named.
func (x *exporter) operatorProfile(f *specs.LinuxSeccomp) object {
	s := object{}.with("defaultAction", string(f.DefaultAction)).
		with("architectures", stringList(f.Architectures)).with("flags", stringList(f.Flags))
	calls := list{}
	byDefault := specs.LinuxSyscall{Names: unnamed(f), Action: f.DefaultAction, ErrnoRet: f.DefaultErrnoRet}
	for _, call := range append(slices.Clip(f.Syscalls), byDefault) {
		one := object{}.with("names", stringList(call.Names)).with("action", string(call.Action))
		if call.ErrnoRet != nil {
			one = one.with("errnoRet", int64(*call.ErrnoRet))
		}
		var args list
		for _, a := range call.Args {
			args = append(args, object{}.with("index", int64(a.Index)).with("value", int64(a.Value)).
				with("valueTwo", int64(a.ValueTwo)).with("op", string(a.Op)))
		}
		if args != nil {
			one = one.with("args", args)
		}
		calls = append(calls, one)
	}
	metadata := object{}.with("name", x.filterName())
	return head("security-profiles-operator.x-k8s.io/v1beta1", "SeccompProfile").
		with("metadata", metadata).with("spec", s.with("syscalls", calls))
}
