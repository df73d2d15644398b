// Package seccomp exports the system call part of a profile as the JSON that
// Docker, Podman, containerd and the Kubernetes kubelet read. One file serves
// every architecture that safe-run knows.
package seccomp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
	calls "github.com/safe-run/safe-run/spec/seccomp"
)

// FileName is what the file is called in other exports, which refer to it.
const FileName = "seccomp.json"

// Filter is Docker's form: OCI's object with a map of architectures, and calls
// that are only for some of them. It has no flags of the filter: runc before 1.2
// refuses to start with any.
type Filter struct {
	DefaultAction   specs.LinuxSeccompAction `json:"defaultAction"`
	DefaultErrnoRet *uint                    `json:"defaultErrnoRet"`
	ArchMap         []Arch                   `json:"archMap"`
	Syscalls        []Call                   `json:"syscalls"`
}

// Arch is one native architecture. The older ones that a kernel may run as well
// are left out: whoever calls their way is killed.
type Arch struct {
	Architecture     specs.Arch   `json:"architecture"`
	SubArchitectures []specs.Arch `json:"subArchitectures"`
}

// Call is one rule.
type Call struct {
	Names    []string                 `json:"names"`
	Action   specs.LinuxSeccompAction `json:"action"`
	ErrnoRet *uint                    `json:"errnoRet,omitempty"`
	Args     []specs.LinuxSeccompArg  `json:"args,omitempty"`
	Comment  string                   `json:"comment,omitempty"`
	Includes *Includes                `json:"includes,omitempty"`
}

// Includes says on which architectures (GOARCH) a rule is there.
type Includes struct {
	Arches []string `json:"arches"`
}

// arches are those that safe-run has a table of system calls for.
var arches = []string{"amd64", "arm64"}

const enosys = 38

// Export gives the filter of a profile as a file.
func Export(in export.Input) (export.Result, error) {
	if in.Image.Reference == "" {
		in.Image.Reference = in.Profile.Metadata.Name // any
	}
	s, err := export.Prepare(in)
	if err != nil {
		return export.Result{}, err
	}
	file, err := File(s.Profile)
	if err != nil {
		return export.Result{}, err
	}
	s.Losses = export.LossesOf(s.Profile)
	Lose(s.Losses, "the engine")
	const do = "export the target that runs the container as well: docker, podman, compose, kubernetes, oci"
	for _, name := range export.Sections {
		if name != "seccomp" {
			s.LoseSection(name, "a filter says what may be asked of the kernel, and nothing else", do)
		}
	}
	s.LoseReactions("the engine")
	return export.Result{Files: []export.File{file}, Losses: s.Losses.List()}, nil
}

// Lose notes what a filter in a file cannot say.
func Lose(losses *export.Losses, target string) {
	losses.Weaker("seccomp", "", "no flag of the filter is named, because runc before 1.2 takes none; newer ones then load it with SECCOMP_FILTER_FLAG_SPEC_ALLOW, which leaves the mitigation of speculative store bypass to the program",
		`add "flags": ["SECCOMP_FILTER_FLAG_TSYNC"] to the filter where runc is new, or boot the host with spec_store_bypass_disable=on`)
	losses.Different("seccomp.architectures", "", "a call of another architecture ends the thread that makes it and not the whole process, which may hang without it",
		"run it with safe-run where that matters")
	losses.Different("seccomp.allow", "", "the calls that the runtime of "+target+" needs between loading the filter and starting the program are those of libcontainer; another runtime may need others",
		"try the container once after an upgrade of the runtime")
}

// File renders the filter of a profile.
func File(p profiles.Profile) (export.File, error) {
	f, err := Render(p)
	if err != nil {
		return export.File{}, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(f); err != nil {
		return export.File{}, err
	}
	return export.File{Path: FileName, Data: b.Bytes()}, nil
}

// Render makes the filter of a profile for all architectures.
//
// Docker before 23 knows no defaultErrnoRet and answers EPERM to what is in no
// rule, which C libraries take for a final refusal: what safe-run knows and does
// not allow is therefore in a rule of its own with ENOSYS.
func Render(p profiles.Profile) (*Filter, error) {
	out := &Filter{DefaultAction: specs.ActErrno, DefaultErrnoRet: new(uint(enosys))}
	merged := map[string]*Call{}
	var order []string
	for _, arch := range arches {
		policy := spec.SeccompPolicy(p, arch)
		oci, err := calls.Render(policy)
		if err != nil {
			return nil, problem.New("correct seccomp: in the profile", "profile %s: %w", p.Metadata.Name, err)
		}
		out.ArchMap = append(out.ArchMap, Arch{oci.Architectures[0], []specs.Arch{}})
		for _, s := range append(oci.Syscalls, specs.LinuxSyscall{Names: rest(oci, arch), Action: specs.ActErrno, ErrnoRet: new(uint(enosys))}) {
			args := ""
			if len(s.Args) > 0 {
				args = fmt.Sprint(s.Args)
			}
			for _, name := range s.Names {
				key := name + "\x00" + string(s.Action) + text(s.ErrnoRet) + args
				if merged[key] == nil {
					merged[key] = &Call{Names: []string{name}, Action: s.Action, ErrnoRet: s.ErrnoRet, Args: s.Args, Includes: &Includes{}}
					order = append(order, key)
				}
				merged[key].Includes.Arches = append(merged[key].Includes.Arches, arch)
			}
		}
	}
	for _, key := range order {
		out.add(*merged[key])
	}
	for _, c := range out.Syscalls {
		slices.Sort(c.Names)
	}
	return out, nil
}

// add joins a rule about one call to those that differ by its name alone.
func (f *Filter) add(c Call) {
	if len(c.Includes.Arches) == len(arches) {
		c.Includes = nil
	}
	if len(c.Args) == 0 {
		for i, have := range f.Syscalls {
			if len(have.Args) == 0 && have.Action == c.Action && text(have.ErrnoRet) == text(c.ErrnoRet) && archesOf(have) == archesOf(c) {
				f.Syscalls[i].Names = append(have.Names, c.Names...)
				return
			}
		}
	}
	f.Syscalls = append(f.Syscalls, c)
}

func archesOf(c Call) string {
	if c.Includes == nil {
		return ""
	}
	return strings.Join(c.Includes.Arches, " ")
}

func text(n *uint) string {
	if n == nil {
		return ""
	}
	return strconv.FormatUint(uint64(*n), 10)
}

// rest lists the calls of an architecture that are in no rule.
func rest(oci *specs.LinuxSeccomp, arch string) []string {
	ruled := map[string]bool{}
	for _, s := range oci.Syscalls {
		for _, name := range s.Names {
			ruled[name] = true
		}
	}
	return slices.DeleteFunc(calls.AllNames(), func(name string) bool {
		_, there := calls.Number(arch, name)
		return ruled[name] || !there
	})
}
