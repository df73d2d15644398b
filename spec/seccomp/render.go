package seccomp

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Errno values that the filter answers with.
const (
	eperm        = 1
	enosys       = 38
	eafnosupport = 97
)

// architectures by GOARCH. Only the native one is in a filter: system calls of
// the 32-bit ABI have other numbers and other ways in (socketcall), and the
// filter kills who uses them.
var architectures = map[string]specs.Arch{
	"amd64": specs.ArchX86_64,
	"arm64": specs.ArchAARCH64,
}

// flags names a flag that runtimes set anyway. Without any flag libcontainer
// adds SECCOMP_FILTER_FLAG_SPEC_ALLOW, which turns off the mitigation of
// speculative store bypass for the container.
var flags = []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"}

// Render turns a policy into the OCI seccomp object, always the same for the
// same policy. Unknown architectures, groups, system calls and families are
// errors, and so are system calls that cannot be filtered.
func Render(p Policy) (*specs.LinuxSeccomp, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	out := &specs.LinuxSeccomp{
		DefaultAction:   specs.ActErrno,
		DefaultErrnoRet: errno(enosys),
		Architectures:   []specs.Arch{architectures[p.Arch]},
		Flags:           slices.Clone(flags),
	}
	var whole []string
	rules := filtered(p)
	names := Allowed(p)
	for _, name := range names {
		if _, ok := ruleFor(rules, name); !ok {
			whole = append(whole, name)
		}
	}
	out.Syscalls = append(out.Syscalls, specs.LinuxSyscall{Names: whole, Action: specs.ActAllow})
	for _, r := range rules {
		if slices.Contains(names, r.name) {
			out.Syscalls = append(out.Syscalls, r.render()...)
		}
	}
	out.Syscalls = append(out.Syscalls, specs.LinuxSyscall{
		Names: refused(p.Arch, names), Action: specs.ActErrno, ErrnoRet: errno(eperm),
	})
	return out, nil
}

// Allowed lists the system calls that a filter of p allows, whole or with
// certain arguments, with those of the launcher; sorted. What the architecture
// does not have is left out.
func Allowed(p Policy) []string {
	names := Expand(append(slices.Clone(p.Allow), Launcher(p)...))
	return slices.DeleteFunc(names, func(name string) bool {
		_, ok := number(p.Arch, name)
		return !ok
	})
}

// Refused lists the system calls that a filter of p answers with EPERM whatever
// their arguments; sorted.
func Refused(p Policy) []string { return refused(p.Arch, Allowed(p)) }

// Rule says what a filter of p asks of the arguments of a call that it allows;
// empty where it asks nothing.
func Rule(p Policy, name string) string {
	r, _ := ruleFor(filtered(p), name)
	return r.why
}

// refused lists the calls that fail with EPERM: what is dangerous or privileged
// and not allowed.
func refused(arch string, allowed []string) []string {
	names := Group{Sets: slices.Concat(denials, privileged)}.members()
	return slices.DeleteFunc(names, func(name string) bool {
		_, ok := number(arch, name)
		return !ok || slices.Contains(allowed, name)
	})
}

func check(p Policy) error {
	if _, ok := architectures[p.Arch]; !ok {
		return fmt.Errorf("seccomp: no system call table for architecture %q", p.Arch)
	}
	for _, name := range p.Allow {
		if !IsGroup(name) && !IsSyscall(name) {
			return fmt.Errorf("seccomp: unknown system call or group %q", name)
		}
		if why, ok := Unfilterable(name); ok {
			return fmt.Errorf("seccomp: %s cannot be allowed: %s, and a filter cannot see them", name, why)
		}
	}
	for _, name := range p.Families {
		if !IsFamily(name) {
			return fmt.Errorf("seccomp: unknown address family %q", name)
		}
	}
	return nil
}

func (r rule) render() []specs.LinuxSyscall {
	var out []specs.LinuxSyscall
	for _, c := range r.allow {
		out = append(out, specs.LinuxSyscall{Names: []string{r.name}, Action: specs.ActAllow, Args: c})
	}
	refusal := uint(eperm)
	if r.errno != 0 {
		refusal = r.errno
	}
	for _, c := range r.deny {
		out = append(out, specs.LinuxSyscall{
			Names: []string{r.name}, Action: specs.ActErrno, ErrnoRet: errno(refusal), Args: c,
		})
	}
	return out
}

func errno(n uint) *uint { return &n }
