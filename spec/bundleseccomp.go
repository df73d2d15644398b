package spec

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// meetFilters lets through what both filters let through. ours denies by default
// and for the native architecture only, as seccomp.Render makes it; theirs may be
// anything that an engine wrote, or nil.
//
// Where the meet of two conditions cannot be written as one filter, the call is
// refused: tighter than either is allowed, looser is not.
func meetFilters(ours, theirs *specs.LinuxSeccomp) *specs.LinuxSeccomp {
	if theirs == nil {
		return ours
	}
	out := *ours
	out.Syscalls = nil
	out.ListenerPath, out.ListenerMetadata = theirs.ListenerPath, theirs.ListenerMetadata
	for _, flag := range theirs.Flags {
		// SPEC_ALLOW takes a mitigation away, and is not met half way.
		if flag != specs.LinuxSeccompFlagSpecAllow && !slices.Contains(out.Flags, flag) {
			out.Flags = append(slices.Clone(out.Flags), flag)
		}
	}
	whole := grouped{}
	var rest []specs.LinuxSyscall
	for _, name := range passedNames(ours) {
		given, refused := verdict(ours, name).meet(verdict(theirs, name))
		if len(given) == 0 {
			whole.add(name, refused)
			continue
		}
		for _, g := range given {
			if len(g.args) == 0 {
				whole.add(name, g.action)
				continue
			}
			rest = append(rest, specs.LinuxSyscall{Names: []string{name}, Action: g.action.what, ErrnoRet: g.action.errno, Args: g.args})
		}
	}
	out.Syscalls = append(whole.rules, rest...)
	for _, rule := range ours.Syscalls {
		if !passes(rule.Action) && !slices.ContainsFunc(rule.Names, func(n string) bool { return whole.has(n) }) {
			out.Syscalls = append(out.Syscalls, rule)
		}
	}
	return &out
}

// answer is what a filter says to a call.
type answer struct {
	what  specs.LinuxSeccompAction
	errno *uint
}

func (a answer) same(b answer) bool {
	return a.what == b.what && (a.errno == nil) == (b.errno == nil) && (a.errno == nil || *a.errno == *b.errno)
}

// passes says whether a call may go through: at once, or when a tracer or a
// supervisor lets it.
func passes(action specs.LinuxSeccompAction) bool {
	switch action {
	case specs.ActAllow, specs.ActLog, specs.ActNotify, specs.ActTrace:
		return true
	}
	return false
}

// grouped collects calls with the same answer whatever their arguments.
type grouped struct{ rules []specs.LinuxSyscall }

func (g *grouped) add(name string, a answer) {
	for i := range g.rules {
		if a.same(answer{g.rules[i].Action, g.rules[i].ErrnoRet}) {
			g.rules[i].Names = append(g.rules[i].Names, name)
			return
		}
	}
	g.rules = append(g.rules, specs.LinuxSyscall{Names: []string{name}, Action: a.what, ErrnoRet: a.errno})
}

func (g *grouped) has(name string) bool {
	return slices.ContainsFunc(g.rules, func(r specs.LinuxSyscall) bool { return slices.Contains(r.Names, name) })
}

// passedNames are the calls that a filter lets through at all, sorted.
func passedNames(f *specs.LinuxSeccomp) []string {
	var names []string
	for _, rule := range f.Syscalls {
		if passes(rule.Action) {
			names = append(names, rule.Names...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ruling is all that one filter says of one call: any of given lets it through,
// unless one of refused matches too; which of two rules that overlap wins is
// libseccomp's secret.
type ruling struct {
	given   []grant
	refused [][]specs.LinuxSeccompArg
	denial  answer
}

// grant lets a call through when all conditions hold; none always hold.
type grant struct {
	action answer
	args   []specs.LinuxSeccompArg
}

func verdict(f *specs.LinuxSeccomp, name string) ruling {
	r := ruling{denial: answer{f.DefaultAction, f.DefaultErrnoRet}}
	if passes(f.DefaultAction) {
		r.given, r.denial = []grant{{action: r.denial}}, answer{what: specs.ActErrno}
	}
	explicit := false
	for _, rule := range f.Syscalls {
		if !slices.Contains(rule.Names, name) {
			continue
		}
		for _, args := range alternatives(rule.Args) {
			switch {
			case !passes(rule.Action):
				r.refused = append(r.refused, args)
				r.denial = answer{rule.Action, rule.ErrnoRet}
			case explicit || !passes(f.DefaultAction):
				r.given = append(r.given, grant{answer{rule.Action, rule.ErrnoRet}, args})
			default:
				// Another answer than the default's, and one that lets through as
				// well: for the calls that it is about it takes the default's place.
				r.given, explicit = []grant{{answer{rule.Action, rule.ErrnoRet}, args}}, true
			}
		}
	}
	return r
}

// alternatives are the conditions of a rule. libcontainer takes any of them as
// enough when two are about the same argument.
func alternatives(args []specs.LinuxSeccompArg) [][]specs.LinuxSeccompArg {
	seen := map[uint]bool{}
	for _, a := range args {
		if seen[a.Index] {
			var each [][]specs.LinuxSeccompArg
			for _, one := range args {
				each = append(each, []specs.LinuxSeccompArg{one})
			}
			return each
		}
		seen[a.Index] = true
	}
	return [][]specs.LinuxSeccompArg{args}
}

// meet gives what both let through, or how a call that neither does fails.
func (r ruling) meet(theirs ruling) ([]grant, answer) {
	var out []grant
	for _, a := range r.given {
		for _, b := range theirs.given {
			args, possible := bothHold(a.args, b.args)
			if !possible || !apart(args, r.refused) || !apart(args, theirs.refused) {
				continue
			}
			action := b.action // ours only ever allows
			out = append(out, grant{action, args})
		}
	}
	// A condition beside "always" is said already.
	if at := slices.IndexFunc(out, func(g grant) bool { return len(g.args) == 0 }); at >= 0 && len(out) > 1 {
		strict := slices.DeleteFunc(out, func(g grant) bool { return len(g.args) > 0 })
		out = strict[:1]
	}
	return out, theirs.denial
}

// apart says whether conditions surely hold for no call that a refusal matches.
func apart(args []specs.LinuxSeccompArg, refused [][]specs.LinuxSeccompArg) bool {
	for _, refusal := range refused {
		contradicts := slices.ContainsFunc(refusal, func(no specs.LinuxSeccompArg) bool {
			return slices.ContainsFunc(args, func(yes specs.LinuxSeccompArg) bool {
				return yes.Index == no.Index && contradict(yes, no)
			})
		})
		if !contradicts {
			return false
		}
	}
	return true
}

// bothHold is one list of conditions that holds when both do, with each argument
// at most once; not possible when none is known, or can be written.
func bothHold(a, b []specs.LinuxSeccompArg) (out []specs.LinuxSeccompArg, possible bool) {
	out = slices.Clone(a)
	for _, arg := range b {
		at := slices.IndexFunc(out, func(have specs.LinuxSeccompArg) bool { return have.Index == arg.Index })
		if at < 0 {
			out = append(out, arg)
			continue
		}
		met, ok := oneArg(out[at], arg)
		if !ok {
			return nil, false
		}
		out[at] = met
	}
	return out, true
}

// oneArg is the meet of two conditions on one argument.
func oneArg(a, b specs.LinuxSeccompArg) (specs.LinuxSeccompArg, bool) {
	if a == b {
		return a, true
	}
	if contradict(a, b) {
		return a, false
	}
	x, xMasked := masked(a)
	y, yMasked := masked(b)
	switch {
	case xMasked && yMasked:
		return specs.LinuxSeccompArg{
			Index: a.Index, Op: specs.OpMaskedEqual, Value: x.mask | y.mask, ValueTwo: x.value | y.value,
		}, true
	case xMasked && implies(x, b):
		return a, true
	case yMasked && implies(y, a):
		return b, true
	}
	return a, false
}

// bitsOf is a condition on some bits: v&mask == value.
type bitsOf struct{ mask, value uint64 }

func masked(a specs.LinuxSeccompArg) (bitsOf, bool) {
	switch a.Op {
	case specs.OpEqualTo:
		return bitsOf{^uint64(0), a.Value}, true
	case specs.OpMaskedEqual:
		return bitsOf{a.Value, a.ValueTwo & a.Value}, true
	}
	return bitsOf{}, false
}

// implies says whether every value with these bits surely satisfies a.
func implies(x bitsOf, a specs.LinuxSeccompArg) bool {
	low, high := x.value, x.value|^x.mask // the least and the greatest such value
	switch a.Op {
	case specs.OpNotEqual:
		return a.Value&x.mask != x.value
	case specs.OpLessThan:
		return high < a.Value
	case specs.OpLessEqual:
		return high <= a.Value
	case specs.OpGreaterThan:
		return low > a.Value
	case specs.OpGreaterEqual:
		return low >= a.Value
	}
	y, ok := masked(a)
	return ok && y.mask&^x.mask == 0 && x.value&y.mask == y.value
}

// contradict says whether two conditions on one argument surely never hold
// together.
func contradict(a, b specs.LinuxSeccompArg) bool {
	x, xMasked := masked(a)
	y, yMasked := masked(b)
	switch {
	case xMasked && yMasked:
		return (x.value^y.value)&x.mask&y.mask != 0
	case xMasked:
		return implies(x, negated(b))
	case yMasked:
		return implies(y, negated(a))
	}
	return false
}

// negated is the opposite of a comparison.
func negated(a specs.LinuxSeccompArg) specs.LinuxSeccompArg {
	opposite := map[specs.LinuxSeccompOperator]specs.LinuxSeccompOperator{
		specs.OpNotEqual: specs.OpEqualTo, specs.OpEqualTo: specs.OpNotEqual,
		specs.OpLessThan: specs.OpGreaterEqual, specs.OpGreaterEqual: specs.OpLessThan,
		specs.OpGreaterThan: specs.OpLessEqual, specs.OpLessEqual: specs.OpGreaterThan,
	}
	if op, ok := opposite[a.Op]; ok {
		a.Op = op
		return a
	}
	a.Op = "" // implied by nothing
	return a
}
