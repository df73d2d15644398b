package spec_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec"
)

// TestGuard: a class is refused when the filter refuses all that leads there, and
// nothing is where the guard is not on.
func TestGuard(t *testing.T) {
	in := input(t, "default")
	if plan := compile(t, in); plan.Guard != nil {
		t.Errorf("without a guard the plan has %+v", plan.Guard)
	}
	in.Host.Guard = true
	plan := compile(t, in)
	g := plan.Guard
	if g == nil || !slices.Equal(g.Deny, spec.GuardClasses()) || !slices.Equal(g.Paths, spec.GuardPaths()) {
		t.Fatalf("default: %+v, want all classes and paths", g)
	}
	if len(g.Families) != 63 || slices.Contains(g.Families, 1) || len(g.Netlink) != 32 {
		t.Errorf("default: families %v, netlink %v, want all but AF_UNIX", g.Families, g.Netlink)
	}
	if d := decision(t, plan, "guard"); !strings.Contains(d.Value, "userfaultfd") || d.Weakens != "" {
		t.Errorf("decision %+v", d)
	}
	for name, test := range map[string]struct {
		allow   string
		lacking []string
	}{
		"a call with a class of its own": {"userfaultfd", []string{spec.GuardUserfaultfd}},
		"one of several":                 {"pidfd_getfd", []string{spec.GuardPtrace}},
		"one of two classes":             {"perf_event_open", []string{spec.GuardCompare, spec.GuardPerf}},
		"namespaces":                     {"unshare", []string{spec.GuardUserNS}},
		"nothing that is guarded":        {"sync", nil},
	} {
		in := input(t, "default")
		in.Host.Guard = true
		in.Profile.Seccomp.Allow = append(in.Profile.Seccomp.Allow, profiles.Syscall{Name: test.allow, Why: "for the test"})
		got := compile(t, in).Guard.Deny
		var lacking []string
		for _, class := range spec.GuardClasses() {
			if !slices.Contains(got, class) {
				lacking = append(lacking, class)
			}
		}
		if !slices.Equal(lacking, test.lacking) {
			t.Errorf("%s, %s: %v are not refused, want %v", name, test.allow, lacking, test.lacking)
		}
	}
}

// TestGuardAccepted: who accepts to go without goes without, and it is told.
func TestGuardAccepted(t *testing.T) {
	in := input(t, "default")
	in.Host.Guard = true
	in.Profile.Accept = append(in.Profile.Accept, profiles.Accept{Name: profiles.WeakGuard, Why: "for the test"})
	plan := compile(t, in)
	if d := decision(t, plan, "guard"); plan.Guard != nil || d.Weakens == "" || !slices.Contains(plan.Accepted, profiles.WeakGuard) {
		t.Errorf("%+v, %+v", plan.Guard, d)
	}
}

// TestGuardNow: a guard that was switched on since the plan was made refuses what it
// would have, unless it was accepted that it does not.
func TestGuardNow(t *testing.T) {
	in := input(t, "default")
	before := compile(t, in)
	in.Host.Guard = true
	after := compile(t, in)
	if got := before.GuardNow(); !reflect.DeepEqual(got, after.Guard) {
		t.Errorf("%+v, want %+v", got, after.Guard)
	}
	if got := after.GuardNow(); got != after.Guard {
		t.Errorf("a plan that has one has %+v", got)
	}
	before.Accepted = append(before.Accepted, profiles.WeakGuard)
	if got := before.GuardNow(); got != nil {
		t.Errorf("where it was accepted: %+v", got)
	}
}

// TestGuardIsValidated: a plan from elsewhere cannot have what it allows refused.
func TestGuardIsValidated(t *testing.T) {
	in := input(t, "default")
	in.Host.Guard = true
	for name, change := range map[string]func(*spec.Plan){
		"a class":    func(p *spec.Plan) { p.Guard.Deny = append(p.Guard.Deny, "everything") },
		"a path":     func(p *spec.Plan) { p.Guard.Paths = append(p.Guard.Paths, "/proc/self") },
		"a family":   func(p *spec.Plan) { p.Guard.Families = append(p.Guard.Families, 1) },
		"a protocol": func(p *spec.Plan) { p.Guard.Netlink = append(p.Guard.Netlink, 99) },
	} {
		plan := compile(t, in)
		change(plan)
		if err := spec.ValidatePlan(plan); err == nil || !strings.Contains(err.Error(), "guard") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGuardOfBuiltins: each built-in profile keeps what it allows.
func TestGuardOfBuiltins(t *testing.T) {
	for _, name := range builtin.Names() {
		in := input(t, name)
		in.Host.Guard = true
		plan := compile(t, in)
		for _, c := range guardCalls() {
			if lets(plan.OCI.Linux.Seccomp, c) {
				if by := denies(plan.Guard, c); by != "" {
					t.Errorf("%s: %+v is allowed, and refused as %s", name, c, by)
				}
			}
		}
	}
}

// guardCall is a system call as a program makes it.
type guardCall struct {
	name string
	args [6]uint64
}

// guardCalls are those that the kernel comes to a hook by, with arguments that
// matter, and bits above an int that do not.
func guardCalls() []guardCall {
	var out []guardCall
	for _, name := range guardNames {
		out = append(out, guardCall{name: name})
	}
	for _, high := range []uint64{0, 1 << 32, 1 << 63} {
		for family := range uint64(46) {
			out = append(out, guardCall{"socket", [6]uint64{high | family, 1}}, guardCall{"socket", [6]uint64{high | family, 3, high}},
				guardCall{"socketpair", [6]uint64{high | family, 1}})
		}
		for protocol := range uint64(23) {
			out = append(out, guardCall{"socket", [6]uint64{high | 16, 3, high | protocol}})
		}
		out = append(out, guardCall{"ioctl", [6]uint64{0, high | 0x5412}}, guardCall{"ioctl", [6]uint64{0, high | 0x541c}},
			guardCall{"prctl", [6]uint64{high | 62}}, guardCall{"clone", [6]uint64{high | 0x10000011}}, guardCall{"unshare", [6]uint64{high | 0x10000000}})
	}
	return out
}

var guardNames = strings.Fields(`userfaultfd io_uring_setup keyctl add_key request_key ptrace process_vm_readv process_vm_writev pidfd_getfd
	kcmp move_pages migrate_pages get_robust_list perf_event_open bpf shmget msgget semget clone3 syslog`)

// lets says whether a filter lets a call through; a rule that allows counts, should
// another refuse.
func lets(f *specs.LinuxSeccomp, c guardCall) bool {
	refuses := func(a specs.LinuxSeccompAction) bool { return a == specs.ActErrno || a == specs.ActKillProcess }
	lets := !refuses(f.DefaultAction)
	for _, rule := range f.Syscalls {
		if !slices.Contains(rule.Names, c.name) {
			continue
		}
		if !slices.ContainsFunc(rule.Args, func(a specs.LinuxSeccompArg) bool {
			return a.Op == specs.OpMaskedEqual && c.args[a.Index]&a.Value != a.ValueTwo || a.Op == specs.OpEqualTo && c.args[a.Index] != a.Value
		}) && !refuses(rule.Action) {
			lets = true
		}
	}
	return lets
}

// denies says by which class the guard refuses a call, as the kernel's hooks see it.
func denies(g *spec.Guard, c guardCall) string {
	class := map[string]string{
		"userfaultfd": spec.GuardUserfaultfd, "io_uring_setup": spec.GuardIOUring, "keyctl": spec.GuardKeys, "add_key": spec.GuardKeys,
		"request_key": spec.GuardKeys, "ptrace": spec.GuardPtrace, "process_vm_readv": spec.GuardPtrace, "process_vm_writev": spec.GuardPtrace,
		"pidfd_getfd": spec.GuardPtrace, "kcmp": spec.GuardCompare, "move_pages": spec.GuardCompare, "migrate_pages": spec.GuardCompare,
		"get_robust_list": spec.GuardCompare, "perf_event_open": spec.GuardPerf, "bpf": spec.GuardBPF, "shmget": spec.GuardShm,
		"msgget": spec.GuardMsg, "semget": spec.GuardSem, "clone3": spec.GuardUserNS, "syslog": spec.GuardSyslog,
	}[c.name]
	switch {
	case c.name == "socket" || c.name == "socketpair":
		if slices.Contains(g.Families, uint32(c.args[0])) {
			return "a family"
		}
		if uint32(c.args[0]) == 16 && slices.Contains(g.Netlink, uint32(c.args[2])) {
			return "a protocol"
		}
	case c.name == "perf_event_open" && slices.Contains(g.Deny, spec.GuardCompare): // of another process
		return spec.GuardCompare
	case c.name == "prctl" && uint32(c.args[0]) == 62:
		class = spec.GuardCompare
	case (c.name == "clone" || c.name == "unshare") && c.args[0]&0x10000000 != 0:
		class = spec.GuardUserNS
	case c.name == "ioctl" && (uint32(c.args[1]) == 0x5412 || uint32(c.args[1]) == 0x541c):
		class = spec.GuardTTY
	}
	if class != "" && slices.Contains(g.Deny, class) {
		return class
	}
	return ""
}

// TestGuardNeverMore: whatever a filter is like, the guard refuses nothing that it
// lets through.
func TestGuardNeverMore(t *testing.T) {
	calls := guardCalls()
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		actions := rapid.SampledFrom([]specs.LinuxSeccompAction{specs.ActErrno, specs.ActAllow, specs.ActKillProcess, specs.ActNotify, specs.ActLog})
		f := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64}}
		if rapid.IntRange(0, 9).Draw(t, "default") == 0 {
			f.DefaultAction = actions.Draw(t, "default action")
		}
		for range rapid.IntRange(0, 12).Draw(t, "rules") {
			// A rule about a call that there is, near to what it is called with.
			c := rapid.SampledFrom(calls).Draw(t, "call")
			rule := specs.LinuxSyscall{Names: []string{c.name}, Action: actions.Draw(t, "action")}
			for range rapid.IntRange(0, 2).Draw(t, "conditions") {
				index := rapid.UintRange(0, 2).Draw(t, "argument")
				mask := rapid.SampledFrom([]uint64{0, 0xf, 0xffffffff, 0xffffffc0, 0x10000000, ^uint64(0)}).Draw(t, "mask")
				value := c.args[index] ^ rapid.SampledFrom([]uint64{0, 0, 1, 0x10, 0x10000000, 1 << 32}).Draw(t, "other")
				if rapid.Bool().Draw(t, "equal") {
					rule.Args = append(rule.Args, specs.LinuxSeccompArg{Index: index, Op: specs.OpEqualTo, Value: value})
				} else {
					rule.Args = append(rule.Args, specs.LinuxSeccompArg{Index: index, Op: specs.OpMaskedEqual, Value: mask, ValueTwo: value & mask})
				}
			}
			f.Syscalls = append(f.Syscalls, rule)
		}
		g := spec.MakeGuard(f, []string{"/proc/kmsg"})
		for _, c := range calls {
			by := denies(g, c)
			if by != "" {
				refused++
			}
			if by != "" && lets(f, c) {
				t.Fatalf("%+v is let through, and refused as %s, under %+v", c, by, f)
			}
		}
	})
	if refused == 0 {
		t.Error("nothing was ever refused")
	}
}
