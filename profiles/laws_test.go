package profiles

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// same fails unless two profiles mean the same.
func same(t *rapid.T, law string, a, b Profile) {
	t.Helper()
	if diff := cmp.Diff(Canonical(a), Canonical(b)); diff != "" {
		t.Fatalf("%s: -left +right\n%s", law, diff)
	}
}

func TestTightenIsAMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyProfile(t, "a"), anyProfile(t, "b"), anyProfile(t, "c")
		same(t, "idempotent", Tighten(a, a), a)
		same(t, "commutative", Tighten(a, b), Tighten(b, a))
		same(t, "associative", Tighten(Tighten(a, b), c), Tighten(a, Tighten(b, c)))
		same(t, "nothing said is the unit", Tighten(a, Profile{}), a)
	})
}

func TestTightenIsNeverLooser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyProfile(t, "a"), anyProfile(t, "b")
		met := Tighten(a, b)
		for name, operand := range map[string]Profile{"left": a, "right": b} {
			if changes := Looser(met, operand); len(changes) > 0 {
				t.Fatalf("looser than the %s operand: %+v", name, changes)
			}
		}
	})
}

// Looser must agree with Tighten: p is within floor exactly when the floor
// takes nothing away. Allowances that p does not mention are written out
// first, because to Tighten they say nothing and to Looser they allow nothing.
func TestLooserAgreesWithTighten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, floor := closed(anyProfile(t, "p")), anyProfile(t, "floor")
		p.Process.StopSignal, floor.Process.StopSignal = nil, nil
		p.Health, floor.Health = Health{}, Health{}
		within := len(Looser(p, floor)) == 0
		unchanged := reflect.DeepEqual(Canonical(closed(Tighten(p, floor))), Canonical(p))
		if within && !unchanged {
			t.Fatalf("within the floor, but tightened:\n%s", cmp.Diff(Canonical(p), Canonical(Tighten(p, floor))))
		}
		if !within && unchanged {
			t.Fatalf("below the floor, but not tightened: %+v", Looser(p, floor))
		}
	})
}

func TestDiffIsEmptyForTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyProfile(t, "a"), anyProfile(t, "b")
		if changes := Diff(a, a); len(changes) > 0 {
			t.Fatalf("differs from itself: %+v", changes)
		}
		if len(Diff(a, b)) != len(Diff(b, a)) && len(Diff(a, b))*len(Diff(b, a)) == 0 {
			t.Fatalf("differs one way only:\n%+v\n%+v", Diff(a, b), Diff(b, a))
		}
	})
}

func TestLayerKeepsTheUpper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyProfile(t, "a"), anyProfile(t, "b")
		same(t, "over itself", Layer(a, a), a)
		same(t, "over nothing", Layer(Profile{}, a), a)
		same(t, "nothing over it", Layer(a, Profile{}), a)
		same(t, "twice", Layer(Layer(a, b), b), Layer(a, b))
	})
}

// The results of the walk share no memory with what they were made of.
func TestValuesAreNotShared(t *testing.T) {
	memory, size := Bytes(8<<20), Bytes(1<<20)
	a := Profile{
		Resources: Resources{Memory: &memory},
		Mounts:    Mounts{Tmpfs: []Tmpfs{{Path: "/tmp", Size: &size}}},
		Origins:   Origins{"resources.memory": {Source: "a", Line: 3}},
	}
	for name, out := range map[string]Profile{
		"Layer": Layer(a, Profile{}), "Tighten": Tighten(Profile{}, a), "Canonical": Canonical(a),
	} {
		*out.Resources.Memory, *out.Mounts.Tmpfs[0].Size = 1, 1
		if memory != 8<<20 || size != 1<<20 {
			t.Fatalf("%s: a change of the result changed the operand", name)
		}
	}
	out := Layer(a, Profile{})
	out.Origins["resources.memory"] = Origin{}
	if a.Origins["resources.memory"].Line != 3 {
		t.Fatal("Layer: a change of the result's origins changed the operand's")
	}
}

func TestEncodeDecodeIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyProfile(t, "p")
		data, err := Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode("p.yaml", data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		back.Origins = nil
		if diff := cmp.Diff(p, back); diff != "" {
			t.Fatalf("%s\n%s", diff, data)
		}
	})
}
