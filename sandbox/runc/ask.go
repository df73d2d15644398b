//go:build cgo && seccomp

package runc

import (
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/runc/libcontainer/configs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

// entryOf compiles a filter for those who will load it.
func entryOf(filter *configs.Seccomp) (e compiled.Entry, err error) {
	e.Question, err = compiled.Record(func() (err error) {
		e.Program, err = compile(filter, libseccomp.ArchInvalid)
		return err
	})
	return e, err
}

// compile asks libseccomp what libcontainer's init will ask it, call by call
// (InitSeccomp of libcontainer/seccomp), and gives what it makes. Without is an
// architecture to leave out. What libcontainer refuses may be compiled here: it
// refuses it all the same.
func compile(config *configs.Seccomp, without libseccomp.ScmpArch) ([]byte, error) {
	usual, err := action(config.DefaultAction, config.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	filter, err := libseccomp.NewFilter(usual)
	if err != nil {
		return nil, err
	}
	defer filter.Release()
	if err := settings(filter, config); err != nil {
		return nil, err
	}
	if without != libseccomp.ArchInvalid {
		if err := filter.RemoveArch(without); err != nil {
			return nil, err
		}
	}
	for _, call := range config.Syscalls {
		if err := ask(filter, call, usual); err != nil {
			return nil, fmt.Errorf("the filter's rule for %s: %w", call.Name, err)
		}
	}
	return exported(filter)
}

// treeAbove is the number of rules above which libcontainer has libseccomp look
// for a call's number in a tree.
const treeAbove = 32

func settings(filter *libseccomp.ScmpFilter, config *configs.Seccomp) error {
	for _, name := range config.Architectures {
		arch, err := libseccomp.GetArchFromString(name)
		if err == nil {
			err = filter.AddArch(arch)
		}
		if err != nil {
			return err
		}
	}
	for _, flag := range config.Flags {
		var err error
		switch flag {
		case "SECCOMP_FILTER_FLAG_TSYNC": // the bindings set it anyway
		case specs.LinuxSeccompFlagLog:
			err = filter.SetLogBit(true)
		case specs.LinuxSeccompFlagSpecAllow:
			err = filter.SetSSB(true)
		case specs.LinuxSeccompFlagWaitKillableRecv:
			err = filter.SetWaitKill(true)
		default:
			err = fmt.Errorf("no such flag as %s", flag)
		}
		if err != nil {
			return err
		}
	}
	if len(config.Syscalls) > treeAbove {
		if err := filter.SetOptimize(2); err != nil {
			return err
		}
	}
	return filter.SetNoNewPrivsBit(false)
}

func ask(filter *libseccomp.ScmpFilter, call *configs.Syscall, usual libseccomp.ScmpAction) error {
	act, err := action(call.Action, call.ErrnoRet)
	if err != nil || act == usual {
		return err
	}
	number, err := libseccomp.GetSyscallFromName(call.Name)
	if err != nil {
		return nil // unknown, and left out
	}
	if len(call.Args) == 0 {
		return filter.AddRule(number, act)
	}
	var conditions []libseccomp.ScmpCondition
	var counts [6]int
	twice := false
	for _, arg := range call.Args {
		c, err := libseccomp.MakeCondition(arg.Index, operators[arg.Op], arg.Value, arg.ValueTwo)
		if err != nil {
			return err
		}
		conditions = append(conditions, c)
		counts[arg.Index]++
		twice = twice || counts[arg.Index] > 1
	}
	if !twice {
		return filter.AddRuleConditional(number, act, conditions)
	}
	// Two conditions of one argument are two rules, as libcontainer has it.
	for _, c := range conditions {
		if err := filter.AddRuleConditional(number, act, []libseccomp.ScmpCondition{c}); err != nil {
			return err
		}
	}
	return nil
}

var operators = map[configs.Operator]libseccomp.ScmpCompareOp{
	configs.EqualTo: libseccomp.CompareEqual, configs.NotEqualTo: libseccomp.CompareNotEqual,
	configs.GreaterThan: libseccomp.CompareGreater, configs.GreaterThanOrEqualTo: libseccomp.CompareGreaterEqual,
	configs.LessThan: libseccomp.CompareLess, configs.LessThanOrEqualTo: libseccomp.CompareLessOrEqual,
	configs.MaskEqualTo: libseccomp.CompareMaskedEqual,
}

var actions = map[configs.Action]libseccomp.ScmpAction{
	configs.Kill: libseccomp.ActKillThread, configs.KillThread: libseccomp.ActKillThread, configs.KillProcess: libseccomp.ActKillProcess,
	configs.Trap: libseccomp.ActTrap, configs.Allow: libseccomp.ActAllow, configs.Log: libseccomp.ActLog, configs.Notify: libseccomp.ActNotify,
	configs.Errno: libseccomp.ActErrno, configs.Trace: libseccomp.ActTrace,
}

func action(a configs.Action, code *uint) (libseccomp.ScmpAction, error) {
	act, ok := actions[a]
	switch {
	case !ok:
		return libseccomp.ActInvalid, fmt.Errorf("no such action as %d", a)
	case a != configs.Errno && a != configs.Trace:
		return act, nil
	case code == nil:
		return act.SetReturnCode(int16(unix.EPERM)), nil
	}
	return act.SetReturnCode(int16(*code)), nil
}

// exported takes the program out of libseccomp, which writes it into a file.
func exported(filter *libseccomp.ScmpFilter) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	type read struct {
		bytes []byte
		err   error
	}
	done := make(chan read, 1)
	go func() {
		all, err := io.ReadAll(r)
		done <- read{all, err}
	}()
	err = filter.ExportBPF(w)
	w.Close()
	got := <-done
	if err == nil {
		err = got.err
	}
	if err != nil {
		return nil, fmt.Errorf("compile the filter: %w", err)
	}
	return got.bytes, nil
}
