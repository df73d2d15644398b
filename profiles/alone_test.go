package profiles

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestAlone: a profile that is laid over nothing, or has nothing laid over it, is
// what merging it with nothing gives, with the places of all that is set.
func TestAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyProfile(t, "a")
		if data, err := Encode(p); err == nil && rapid.Bool().Draw(t, "decoded") {
			if read, err := Decode("a.yaml", data); err == nil {
				p = read
			}
		}
		for _, got := range []Profile{Layer(Profile{}, p), Layer(p, Profile{}), Layer(p, Profile{Origins: Origins{}})} {
			if want := layer(Profile{}, p); !reflect.DeepEqual(got, want) {
				t.Fatalf("%+v\nmerged it is\n%+v", got, want)
			}
		}
		if want := layer(p, Profile{}); !reflect.DeepEqual(Layer(p, Profile{}), want) {
			t.Fatalf("%+v\nmerged it is\n%+v", p, want)
		}
	})
}

// TestAloneShares: nothing that is done to the result is done to the profile.
func TestAloneShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyProfile(t, "a")
		before := layer(Profile{}, p)
		scramble(reflect.ValueOf(new(Layer(Profile{}, p))).Elem())
		if !reflect.DeepEqual(layer(Profile{}, p), before) {
			t.Fatalf("it was changed: %+v", p)
		}
	})
}

// scramble clears everything that a value leads to.
func scramble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				scramble(f)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			scramble(v.Elem())
			v.Elem().SetZero()
		}
	case reflect.Slice:
		for i := range v.Len() {
			scramble(v.Index(i))
			v.Index(i).SetZero()
		}
	}
}
