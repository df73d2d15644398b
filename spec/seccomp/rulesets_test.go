//go:build cgo

package seccomp_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// allowable are all names that a policy may allow.
func allowable() []string {
	names := append(seccomp.GroupNames(), seccomp.Names()...)
	return slices.DeleteFunc(names, func(name string) bool {
		_, never := seccomp.Unfilterable(name)
		return never
	})
}

// TestAnyRuleSet: whatever a policy allows, the filter is what the model says.
func TestAnyRuleSet(t *testing.T) {
	names, families := allowable(), seccomp.FamilyNames()
	rapid.Check(t, func(t *rapid.T) {
		f := newFilter(t, seccomp.Policy{
			Arch:       rapid.SampledFrom([]string{"amd64", "arm64"}).Draw(t, "arch"),
			Allow:      rapid.SliceOfN(rapid.SampledFrom(names), 0, 30).Draw(t, "allow"),
			Families:   rapid.SliceOfN(rapid.SampledFrom(families), 0, 6).Draw(t, "families"),
			RawSockets: rapid.Bool().Draw(t, "raw"),
			Init:       rapid.Bool().Draw(t, "init"),
		})
		known := f.numbers()
		looked := slices.DeleteFunc(slices.Clone(known), func(nr uint32) bool { return !seccomp.HasRule(f.names[nr]) })
		for range 60 {
			nr := rapid.OneOf(rapid.SampledFrom(known), rapid.SampledFrom(looked), rapid.Uint32()).Draw(t, "nr")
			c := call{arch: f.native, nr: nr}
			for i := range c.args {
				c.args[i] = rapid.OneOf(rapid.SampledFrom(telling), rapid.Uint64Range(0, 64), rapid.Uint64()).Draw(t, "arg")
			}
			c.name = f.names[c.nr]
			f.check(t, c)
		}
	})
}

// numbers are those of all system calls, sorted.
func (f *filter) numbers() (out []uint32) {
	for nr := range f.names {
		out = append(out, nr)
	}
	slices.Sort(out)
	return out
}

// FuzzRuleSet takes names and families by their places in the lists.
func FuzzRuleSet(f *testing.F) {
	names, families := allowable(), seccomp.FamilyNames()
	f.Add([]byte{0, 0, 0, 1}, []byte{34, 14}, uint32(41), uint64(2), uint64(1), uint64(6))
	f.Add([]byte{0, 5, 1, 7}, []byte{}, uint32(16), uint64(0), uint64(0x5412+1<<32), uint64(0))
	f.Add([]byte{}, []byte{0}, uint32(0x40000027), uint64(0), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, allow, of []byte, nr uint32, a, b, c uint64) {
		p := seccomp.Policy{Arch: "amd64", RawSockets: len(allow)%2 == 1, Init: len(of)%2 == 1}
		for i := 0; i+1 < len(allow) && i < 64; i += 2 {
			p.Allow = append(p.Allow, names[(int(allow[i])<<8|int(allow[i+1]))%len(names)])
		}
		for i := 0; i < len(of) && i < 16; i++ {
			p.Families = append(p.Families, families[int(of[i])%len(families)])
		}
		filter := newFilter(t, p)
		for _, number := range append(filter.numbers(), nr) {
			filter.check(t, call{arch: filter.native, nr: number, name: filter.names[number], args: [6]uint64{a, b, c, a, b, c}})
		}
	})
}
