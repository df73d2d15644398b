package spec

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// holds says whether a condition is true of a call's arguments.
func holds(a specs.LinuxSeccompArg, args [6]uint64) bool {
	v := args[a.Index]
	switch a.Op {
	case specs.OpEqualTo:
		return v == a.Value
	case specs.OpNotEqual:
		return v != a.Value
	case specs.OpLessThan:
		return v < a.Value
	case specs.OpLessEqual:
		return v <= a.Value
	case specs.OpGreaterThan:
		return v > a.Value
	case specs.OpGreaterEqual:
		return v >= a.Value
	case specs.OpMaskedEqual:
		return v&a.Value == a.ValueTwo&a.Value
	}
	return false
}

// matches is what libcontainer makes of a rule: all conditions, or any of them
// when two are about the same argument.
func matches(rule []specs.LinuxSeccompArg, args [6]uint64) bool {
	seen := map[uint]bool{}
	twice := false
	for _, a := range rule {
		twice = twice || seen[a.Index]
		seen[a.Index] = true
	}
	is := func(a specs.LinuxSeccompArg) bool { return holds(a, args) }
	if twice {
		return slices.ContainsFunc(rule, is)
	}
	return !slices.ContainsFunc(rule, func(a specs.LinuxSeccompArg) bool { return !is(a) })
}

// passesCall says whether a filter may let a call through, and whether it
// surely does: where rules overlap either may win.
func passesCall(f *specs.LinuxSeccomp, name string, args [6]uint64) (may, surely bool) {
	given, refused, any := false, false, false
	for _, rule := range f.Syscalls {
		if !slices.Contains(rule.Names, name) || !matches(rule.Args, args) {
			continue
		}
		any = true
		given = given || passes(rule.Action)
		refused = refused || !passes(rule.Action)
	}
	if !any {
		return passes(f.DefaultAction), passes(f.DefaultAction)
	}
	return given, given && !refused
}

var someCalls = []string{"read", "socket", "clone", "ioctl", "mount", "personality"}

func drawFilter(t *rapid.T, label string) *specs.LinuxSeccomp {
	actions := []specs.LinuxSeccompAction{specs.ActAllow, specs.ActErrno, specs.ActKillProcess, specs.ActLog, specs.ActNotify}
	ops := []specs.LinuxSeccompOperator{
		specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpMaskedEqual,
	}
	small := rapid.SampledFrom([]uint64{0, 1, 2, 3, 9, 16, 0x7e020000, 1 << 32, ^uint64(0)})
	arg := rapid.Custom(func(t *rapid.T) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{
			Index: uint(rapid.IntRange(0, 1).Draw(t, "index")), Op: rapid.SampledFrom(ops).Draw(t, "op"),
			Value: small.Draw(t, "value"), ValueTwo: small.Draw(t, "second"),
		}
	})
	rule := rapid.Custom(func(t *rapid.T) specs.LinuxSyscall {
		return specs.LinuxSyscall{
			Names:  rapid.SliceOfN(rapid.SampledFrom(someCalls), 1, 3).Draw(t, "names"),
			Action: rapid.SampledFrom(actions).Draw(t, "action"), Args: rapid.SliceOfN(arg, 0, 2).Draw(t, "args"),
		}
	})
	return &specs.LinuxSeccomp{
		DefaultAction: rapid.SampledFrom(actions).Draw(t, label), Syscalls: rapid.SliceOfN(rule, 0, 6).Draw(t, label+" rules"),
	}
}

// TestFiltersMeet: what the meet may let through, both surely do, whatever wins
// where rules overlap.
func TestFiltersMeet(t *testing.T) {
	ours, err := seccomp.Render(seccomp.Policy{Arch: "amd64", Allow: []string{"@base", "@files", "@process", "@sockets", "@net-client", "personality", "mount"}, Families: []string{"AF_INET", "AF_UNIX"}})
	if err != nil {
		t.Fatal(err)
	}
	value := rapid.SampledFrom([]uint64{0, 1, 2, 3, 8, 9, 16, 40, 0x5412, 0x10000000, 0x7e020000, 1 << 32, 1<<32 + 2, ^uint64(0)})
	rapid.Check(t, func(t *rapid.T) {
		theirs := drawFilter(t, "theirs")
		met := meetFilters(ours, theirs)
		for range 20 {
			name := rapid.SampledFrom(someCalls).Draw(t, "call")
			args := [6]uint64{value.Draw(t, "0"), value.Draw(t, "1"), value.Draw(t, "2")}
			may, _ := passesCall(met, name, args)
			if !may {
				continue
			}
			if _, is := passesCall(ours, name, args); !is {
				t.Fatalf("%s%v passes, and the profile refuses it", name, args)
			}
			if _, is := passesCall(theirs, name, args); !is {
				t.Fatalf("%s%v passes, and the bundle refuses it", name, args)
			}
		}
	})
}

// engineFilter is the shape of the filter that engines give to containers.
func engineFilter() *specs.LinuxSeccomp {
	eperm := uint(1)
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, DefaultErrnoRet: &eperm,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "write", "execve", "ioctl", "connect"}, Action: specs.ActAllow},
			{Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Value: 0x7e020000, Op: specs.OpMaskedEqual}}},
			{Names: []string{"personality"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Value: 0, Op: specs.OpEqualTo}}},
			{Names: []string{"socket"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{
				{Index: 0, Value: 16, Op: specs.OpEqualTo}, {Index: 2, Value: 9, Op: specs.OpEqualTo}}},
			{Names: []string{"socket"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 2, Value: 9, Op: specs.OpNotEqual}}},
			{Names: []string{"socket"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 16, Op: specs.OpNotEqual}}},
		},
	}
}

// TestFiltersMeetUsefully: the meet with an engine's filter is not merely tight.
func TestFiltersMeetUsefully(t *testing.T) {
	ours, err := seccomp.Render(seccomp.Policy{Arch: "amd64", Allow: []string{"@base", "@files", "@process", "@sockets", "@net-client", "personality"}, Families: []string{"AF_INET", "AF_UNIX"}})
	if err != nil {
		t.Fatal(err)
	}
	met := meetFilters(ours, engineFilter())
	for _, c := range []struct {
		name string
		args [6]uint64
		want bool
	}{
		{"read", [6]uint64{}, true},
		{"clone", [6]uint64{0x11}, true},
		{"clone", [6]uint64{0x10000000}, false},
		{"personality", [6]uint64{0}, true},
		{"personality", [6]uint64{0xffffffff}, false}, // the engine's filter refuses to ask
		{"ioctl", [6]uint64{0, 0x5401}, true},
		{"ioctl", [6]uint64{0, 0x5412}, false},
		{"socket", [6]uint64{2, 1}, true},
		{"socket", [6]uint64{16, 3, 9}, false},
		{"openat", [6]uint64{}, false}, // the engine's filter does not name it
		{"mount", [6]uint64{}, false},
	} {
		may, surely := passesCall(met, c.name, c.args)
		if may != surely || may != c.want {
			t.Errorf("%s%v: may pass %v, surely passes %v, want %v", c.name, c.args, may, surely, c.want)
		}
	}
	if got := met.Architectures; !slices.Equal(got, ours.Architectures) {
		t.Errorf("architectures %v", got)
	}
	if meetFilters(ours, nil) != ours {
		t.Error("a bundle without a filter gets another than the profile's")
	}
}
