package plainjson_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/plainjson"
)

// same holds Marshal to encoding/json.
func same(t rapid.TB, v any) {
	t.Helper()
	want, wantErr := json.Marshal(v)
	got, err := plainjson.Marshal(v)
	if string(got) != string(want) || (err == nil) != (wantErr == nil) {
		t.Errorf("%#v:\n%s, %v; encoding/json gives\n%s, %v", v, got, err, want, wantErr)
	}
}

// anything makes values of T, whatever their fields may hold.
func anything[T any]() *rapid.Generator[T] {
	return rapid.MakeCustom[T](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[any]():          rapid.OneOf(rapid.Just[any](nil), rapid.String().AsAny(), rapid.Int().AsAny(), rapid.Float64().AsAny(), rapid.MapOf(rapid.String(), rapid.Bool()).AsAny()),
		reflect.TypeFor[netip.Addr]():   rapid.SampledFrom([]any{netip.Addr{}, netip.MustParseAddr("::1"), netip.MustParseAddr("10.0.0.1")}),
		reflect.TypeFor[netip.Prefix](): rapid.SampledFrom([]any{netip.Prefix{}, netip.MustParsePrefix("10.0.0.0/8")}),
		reflect.TypeFor[time.Time]():    rapid.SampledFrom([]any{time.Time{}, time.Unix(1, 2).UTC()}),
	}})
}

// TestPlans: any plan is written as encoding/json writes it.
func TestPlans(t *testing.T) {
	plans, whole, events := anything[spec.Plan](), anything[specs.Spec](), anything[event.Event]()
	rapid.Check(t, func(t *rapid.T) {
		plan, oci := plans.Draw(t, "plan"), whole.Draw(t, "spec")
		same(t, plan)
		plan.OCI = &oci
		same(t, &plan)
		event := events.Draw(t, "event")
		same(t, event)
		plan.OCI.Windows = nil // which has any
		if linux := plan.OCI.Linux; linux != nil && linux.Resources != nil {
			linux.Resources.BlockIO = nil // which has embedded structs
		}
		if !plainjson.AtOnce(plan) || !plainjson.AtOnce(event) {
			t.Errorf("it is left to encoding/json")
		}
	})
}

// TestRepeatedName: encoding/json has rules for two fields of one name.
func TestRepeatedName(t *testing.T) {
	text := reflect.TypeFor[string]()
	for _, tag := range []reflect.StructTag{`json:"B"`, `json:"A"`, ""} {
		whole := reflect.New(reflect.StructOf([]reflect.StructField{
			{Name: "A", Type: text, Tag: tag}, {Name: "B", Type: text},
		})).Elem()
		whole.Field(0).SetString("a")
		whole.Field(1).SetString("b")
		same(t, whole.Interface())
	}
}

// TestText: no text is written otherwise.
func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		same(t, rapid.String().Draw(t, "text"))
		same(t, string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
	})
	for b := range 0x3000 {
		same(t, "a"+string(rune(b))+"b")
	}
	for b := range 256 {
		same(t, "a"+string([]byte{byte(b)})+"b")
		same(t, string([]byte{0xe2, byte(b), 0xa8}))
	}
}

type embedded struct{ A int }

type byAddress struct{ A int }

func (*byAddress) MarshalJSON() ([]byte, error) { return []byte(`"own"`), nil }

type failing struct{}

func (failing) MarshalText() ([]byte, error) { return nil, errors.New("never") }

// TestUnusual: what has rules of its own is left to encoding/json.
func TestUnusual(t *testing.T) {
	loop := map[string]any{}
	loop["loop"] = loop
	var none *spec.Plan
	for _, v := range []any{
		nil, none, 1.5, math.Inf(1), json.Number("12"), json.RawMessage(` {"a" : 1} `), []byte("bytes"), make(chan int), loop,
		struct{ embedded }{}, struct{ *embedded }{}, failing{}, []failing{{}}, []byAddress{{}}, byAddress{}, &byAddress{}, map[string]byAddress{"a": {}},
		struct {
			A int       `json:",string"`
			B time.Time `json:"b,omitzero"`
		}{},
		struct {
			A time.Time  `json:"a,omitzero"`
			B *time.Time `json:"b,omitzero"`
			C int        `json:"c,omitzero"`
			D []int      `json:"d,omitempty,omitzero"`
		}{D: []int{}},
		struct {
			A time.Time `json:"a,omitzero"`
		}{time.Unix(1, 2).UTC()},
		struct {
			A int `json:"-"`
			//lint:ignore SA5008 a field may have a dash for its name
			B int `json:"-,"`
			C int `json:"a<b"`
			D int `json:"a b"`
			E func()
		}{},
		struct {
			E func() `json:"e,omitempty"`
		}{},
		struct {
			a int
			B any
		}{1, map[string]any{"z": nil, "a": []any{true, "x", uint8(3)}}},
		map[int]string{1: "a"}, map[netip.Addr]string{}, map[event.Severity]string{"b": "1", "a": "<2>"}, map[string]int(nil), []int(nil), [2]bool{true},
		netip.MustParseAddr("::1"), time.Second,
	} {
		same(t, v)
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("a\x00<&>\u2028\xff"))
	f.Fuzz(func(t *testing.T, data []byte) { same(t, map[string]string{string(data): string(data)}) })
}
