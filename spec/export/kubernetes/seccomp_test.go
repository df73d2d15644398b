package kubernetes

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// TestFilterIsTheProfiles: on each architecture the file answers every call as the
// filter that safe-run itself would load there, and the operator's profile says
// the same.
func TestFilterIsTheProfiles(t *testing.T) {
	for _, name := range builtin.Names() {
		p := resolved(t, name)
		files := byPath(exported(t, inputOf(p), Options{}).Files)
		var file specs.LinuxSeccomp
		dec := json.NewDecoder(bytes.NewReader(files["seccomp/shop-shop.json"]))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&file); err != nil {
			t.Fatal(err)
		}
		operator := operatorProfileOf(t, files["operator/seccompprofile.yaml"])
		last := len(operator.Spec.Syscalls) - 1
		byDefault := operator.Spec.Syscalls[last]
		operator.Spec.Syscalls = operator.Spec.Syscalls[:last]
		if byDefault.Action != file.DefaultAction || *byDefault.ErrnoRet != *file.DefaultErrnoRet {
			t.Errorf("%s: the operator's default is %s %d", name, byDefault.Action, *byDefault.ErrnoRet)
		}
		for i := range operator.Spec.Syscalls {
			for j, arg := range operator.Spec.Syscalls[i].Args {
				if arg != file.Syscalls[i].Args[j] {
					t.Errorf("%s: the operator's argument %+v", name, arg)
				}
			}
		}
		if !reflect.DeepEqual(operator.Spec.Syscalls, file.Syscalls) || operator.Spec.DefaultAction != file.DefaultAction {
			t.Errorf("%s: the operator's profile is another", name)
		}
		for _, arch := range filterArchitectures {
			own, err := seccomp.Render(spec.SeccompPolicy(p, arch))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(file.Architectures, own.Architectures[0]) || file.DefaultAction != own.DefaultAction || *file.DefaultErrnoRet != *own.DefaultErrnoRet {
				t.Errorf("%s on %s: %v %v", name, arch, file.Architectures, file.DefaultAction)
			}
			for _, call := range seccomp.Names() {
				if _, there := seccomp.Number(arch, call); !there {
					continue
				}
				is, was := answers(&file, call), answers(own, call)
				if slices.Contains(byDefault.Names, call) == slices.ContainsFunc(file.Syscalls, func(s specs.LinuxSyscall) bool { return slices.Contains(s.Names, call) }) {
					t.Errorf("%s on %s: the operator's profile answers %s twice, or never", name, arch, call)
				}
				if call == "prctl" {
					// Options of arm64 alone are no options elsewhere: the kernel refuses them.
					is = slices.DeleteFunc(is, func(rule string) bool { return strings.Contains(rule, "ALLOW") && !slices.Contains(was, rule) })
				}
				if !slices.Equal(is, was) {
					t.Errorf("%s on %s: %s is %s, and was %s", name, arch, call, is, was)
				}
			}
		}
	}
}

// operatorProfileOf reads a profile with the fields that the operator's type has, 0.9
// and later (api/seccompprofile), and no other: the API server refuses them.
func operatorProfileOf(t *testing.T, data []byte) (out struct{ Spec specs.LinuxSeccomp }) {
	t.Helper()
	var published struct {
		APIVersion, Kind string
		Metadata         struct{ Name string } // of the cluster since 0.9, in no namespace
		Spec             struct {
			BaseProfileName, DefaultAction, ListenerPath, ListenerMetadata, State string
			Architectures, Flags                                                  []string
			Syscalls                                                              []struct {
				Names    []string
				Action   string
				ErrnoRet int32
				Args     []struct {
					Index           int32
					Value, ValueTwo int64
					Op              string
				}
			}
		}
	}
	if err := sigsyaml.UnmarshalStrict(data, &published, func(d *json.Decoder) *json.Decoder { d.DisallowUnknownFields(); return d }); err != nil {
		t.Fatal(err)
	}
	for _, call := range published.Spec.Syscalls {
		for _, arg := range call.Args {
			if len(call.Names) == 0 || arg.Index < 0 || arg.Value < 0 || arg.ValueTwo < 0 {
				t.Errorf("the operator's type has no %+v", call)
			}
		}
	}
	if err := sigsyaml.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// answers is all that a filter says of a call.
func answers(f *specs.LinuxSeccomp, call string) (all []string) {
	for _, s := range f.Syscalls {
		if slices.Contains(s.Names, call) {
			s.Names = []string{call}
			text, _ := json.Marshal(s)
			all = append(all, string(text))
		}
	}
	slices.Sort(all)
	return all
}
