package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// MostFilter bounds a filter's file.
const MostFilter = 1 << 20

// filterFile is Docker's form, of which OCI's is a part.
type filterFile struct {
	DefaultAction specs.LinuxSeccompAction `json:"defaultAction"`
	Syscalls      []struct {
		Name   string                   `json:"name"`
		Names  []string                 `json:"names"`
		Action specs.LinuxSeccompAction `json:"action"`
		Args   []specs.LinuxSeccompArg  `json:"args"`
		// A rule for kernels, capabilities or architectures alone counts: a profile
		// is for all of them, and what is dangerous is told.
		Excludes struct {
			Caps []string `json:"caps"`
		} `json:"excludes"`
		Includes struct {
			Caps []string `json:"caps"`
		} `json:"includes"`
	} `json:"syscalls"`
}

// ReadFilter reads a filter in Docker's or OCI's form.
func ReadFilter(name string, data []byte) (*Filter, error) {
	const hint = "name a file as docker run --security-opt seccomp= takes it"
	if len(data) > MostFilter {
		return nil, problem.New(hint, "%.80s is larger than %d KiB", name, MostFilter>>10)
	}
	var file filterFile
	if err := json.Unmarshal(data, &file); err != nil {
		line, column := 1, 1
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		if errors.As(err, &syntax) {
			line, column = Place(data, syntax.Offset)
		} else if errors.As(err, &kind) {
			line, column = Place(data, kind.Offset)
		}
		return nil, problem.New(hint, "%s: %w", fmt.Sprintf("%.80s:%d:%d", name, line, column), err)
	}
	f := &Filter{}
	if file.DefaultAction == specs.ActAllow || file.DefaultAction == specs.ActLog {
		return openFilter(file), nil
	}
	for _, s := range file.Syscalls {
		if s.Action != specs.ActAllow && s.Action != specs.ActLog && s.Action != specs.ActTrace && s.Action != specs.ActNotify || len(s.Includes.Caps) > 0 {
			continue
		}
		names := s.Names
		if s.Name != "" {
			names = append(names, s.Name)
		}
		f.Allow = append(f.Allow, names...)
		if slices.Contains(names, "socket") {
			f.socket(s.Args)
		}
	}
	slices.Sort(f.Allow)
	f.Allow = slices.Compact(f.Allow)
	slices.Sort(f.Families)
	f.Families = slices.Compact(f.Families)
	return f, nil
}

// socket notes the family that a rule allows.
func (f *Filter) socket(args []specs.LinuxSeccompArg) {
	for _, a := range args {
		whole := a.Op == specs.OpEqualTo || a.Op == specs.OpMaskedEqual && uint32(a.Value) == 0xffffffff
		number := a.Value
		if a.Op == specs.OpMaskedEqual {
			number = a.ValueTwo
		}
		if a.Index != 0 || !whole {
			continue
		}
		if name := seccomp.FamilyOf(uint32(number)); name != "" {
			f.Families = append(f.Families, name)
			return
		}
	}
	f.AllFamilies = true
}

// openFilter is a filter that allows everything but what it names. Of what is
// known it allows the rest.
func openFilter(file filterFile) *Filter {
	refused := map[string]bool{}
	for _, s := range file.Syscalls {
		if s.Action != specs.ActAllow && s.Action != specs.ActLog && len(s.Args) == 0 {
			for _, name := range append(s.Names, s.Name) {
				refused[name] = true
			}
		}
	}
	f := &Filter{AllFamilies: true}
	for _, name := range seccomp.AllNames() {
		_, dangerous := seccomp.Denied(name)
		if !refused[name] && !dangerous {
			f.Allow = append(f.Allow, name)
		}
	}
	return f
}

// Place is the line and column of an offset.
func Place(data []byte, offset int64) (line, column int) {
	before := data[:min(max(offset-1, 0), int64(len(data)))]
	line = bytes.Count(before, []byte("\n")) + 1
	return line, len(before) - bytes.LastIndexByte(before, '\n')
}
