package predict

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// call is a system call with the arguments that decide; the others are 0.
type call struct {
	name string
	args [6]uint64
}

// sys is a call with arguments from the first on.
func sys(name string, args ...uint64) call {
	c := call{name: name}
	copy(c.args[:], args)
	return c
}

// errnoNames are those that filters give.
var errnoNames = map[uint]string{1: "EPERM", 13: "EACCES", 22: "EINVAL", 38: "ENOSYS", 97: "EAFNOSUPPORT", Marker: "EHWPOISON"}

// refuses says whether a filter refuses a call, and with what. Where rules of a
// call overlap an allowance counts, as in package seccomp, whose filters have no
// such rules.
func refuses(f *specs.LinuxSeccomp, c call) (errno string, refused bool) {
	if f == nil {
		return "", false
	}
	answer, action := f.DefaultErrnoRet, f.DefaultAction
	for _, rule := range f.Syscalls {
		if !slices.Contains(rule.Names, c.name) || !matches(rule.Args, c.args) {
			continue
		}
		if answer, action = rule.ErrnoRet, rule.Action; action == specs.ActAllow {
			break
		}
	}
	switch action {
	case specs.ActErrno:
		return errnoOf(answer), true
	case specs.ActKill, specs.ActKillThread, specs.ActKillProcess, specs.ActTrap:
		return "SIGSYS", true
	}
	return "", false
}

func errnoOf(number *uint) string {
	if number == nil {
		return "EPERM" // libcontainer's own default
	}
	if name, ok := errnoNames[*number]; ok {
		return name
	}
	return fmt.Sprint(*number)
}

// matches says whether all conditions hold.
func matches(conditions []specs.LinuxSeccompArg, args [6]uint64) bool {
	for _, c := range conditions {
		if c.Index >= uint(len(args)) {
			return false
		}
		value := args[c.Index]
		var holds bool
		switch c.Op {
		case specs.OpMaskedEqual:
			holds = value&c.Value == c.ValueTwo
		case specs.OpEqualTo:
			holds = value == c.Value
		case specs.OpNotEqual:
			holds = value != c.Value
		case specs.OpLessThan:
			holds = value < c.Value
		case specs.OpLessEqual:
			holds = value <= c.Value
		case specs.OpGreaterThan:
			holds = value > c.Value
		case specs.OpGreaterEqual:
			holds = value >= c.Value
		}
		if !holds {
			return false
		}
	}
	return true
}
