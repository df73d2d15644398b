package seccomp

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Answers says what each notified call is to be answered with: what the filter
// would have answered by itself.
type Answers struct {
	calls map[int]answered
}

// answered is one system call: the refusals of some arguments in order, and the
// one of all others.
type answered struct {
	name  string
	rules []refusal
	other uint
}

type refusal struct {
	args  []specs.LinuxSeccompArg
	errno uint
}

// Notified gives filter with a notification (seccomp_unotify(2)) in place of
// each refusal, and the answers. What it allows stays as it is, and a call that
// it does not know still fails with its default. Calls that always fail so that
// the C library falls back are no denials and stay silent.
func Notified(filter *specs.LinuxSeccomp) (*specs.LinuxSeccomp, Answers) {
	arch := goarch(filter)
	out := *filter
	out.Syscalls = slices.Clone(filter.Syscalls)
	answers := Answers{calls: make(map[int]answered, len(syscalls))}
	mentioned := make(map[string]bool, len(syscalls))
	other := uint(enosys)
	if filter.DefaultErrnoRet != nil {
		other = *filter.DefaultErrnoRet
	}
	for i, rule := range filter.Syscalls {
		for _, name := range rule.Names {
			mentioned[name] = true
		}
		if rule.Action != specs.ActErrno {
			continue
		}
		out.Syscalls[i].Action, out.Syscalls[i].ErrnoRet = specs.ActNotify, nil
		code := uint(eperm)
		if rule.ErrnoRet != nil {
			code = *rule.ErrnoRet
		}
		for _, name := range rule.Names {
			answers.add(arch, name, refusal{rule.Args, code}, other)
		}
	}
	for _, name := range []string{"prctl", "socket"} {
		for _, args := range unlisted(filter, name) {
			if answers.add(arch, name, refusal{args, other}, other) {
				out.Syscalls = append(out.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActNotify, Args: args})
			}
		}
	}
	var rest []string
	for _, name := range Names() {
		if _, silent := Unfilterable(name); silent || mentioned[name] {
			continue
		}
		if answers.add(arch, name, refusal{nil, other}, other) {
			rest = append(rest, name)
		}
	}
	if len(rest) > 0 {
		out.Syscalls = append(out.Syscalls, specs.LinuxSyscall{Names: rest, Action: specs.ActNotify})
	}
	return &out, answers
}

func (a Answers) add(arch, name string, r refusal, other uint) bool {
	n, ok := number(arch, name)
	if !ok {
		return false
	}
	call := a.calls[n]
	call.name, call.other = name, other
	call.rules = append(call.rules, r)
	a.calls[n] = call
	return true
}

// Answer is the errno that a call fails with.
func (a Answers) Answer(number int, args [6]uint64) (errno uint) {
	_, errno = a.of(number, args)
	return errno
}

// Refuses says whether the filter may be who refused a call with an errno.
func (a Answers) Refuses(number int, errno uint) bool {
	for _, r := range a.calls[number].rules {
		if r.errno == errno {
			return true
		}
	}
	return false
}

// Allows says whether a filter lets a call through, with some arguments at least.
func Allows(filter *specs.LinuxSeccomp, name string) bool {
	return slices.ContainsFunc(filter.Syscalls, func(rule specs.LinuxSyscall) bool {
		return rule.Action == specs.ActAllow && slices.Contains(rule.Names, name)
	})
}

// NameOf is the name of a system call by its number on an architecture (a
// GOARCH); empty where there is none.
func NameOf(arch string, n int) string {
	for _, s := range syscalls {
		if at, ok := number(arch, s.name); ok && at == n {
			return s.name
		}
	}
	return ""
}

// of is the name of a call and the errno that it fails with.
func (a Answers) of(number int, args [6]uint64) (name string, errno uint) {
	call, ok := a.calls[number]
	if !ok {
		return "", enosys
	}
	for _, r := range call.rules {
		if r.matches(args) {
			return call.name, r.errno
		}
	}
	return call.name, call.other
}

func (r refusal) matches(args [6]uint64) bool {
	for _, c := range r.args {
		if c.Op != specs.OpMaskedEqual || args[c.Index]&c.Value != c.ValueTwo {
			return false
		}
	}
	return true
}

// goarch is the architecture of a filter.
func goarch(filter *specs.LinuxSeccomp) string {
	for name, arch := range architectures {
		if slices.Contains(filter.Architectures, arch) {
			return name
		}
	}
	return ""
}
