package exact

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type part struct {
	Size int               `json:"size"`
	Said map[string]string `json:"annotations"`
}

type whole struct {
	part
	MediaType string `json:"mediaType"`
	Layers    []part `json:"layers"`
	At        *part  `json:"at"`
	Made      time.Time
	Raw       json.RawMessage `json:"raw"`
	Bytes     []byte          `json:"bytes"`
	Hidden    string          `json:"-"`
}

func TestUnmarshal(t *testing.T) {
	for _, doc := range []string{
		`{}`, `null`, `{"layers":null,"at":null,"bytes":"AAEC"}`,
		`{"size":1,"layers":[{"size":1,"annotations":{"a":"1","A":"2"}},{}],"at":{"size":2},"Made":"2026-11-21T10:00:00Z"}`,
		" { \"size\" :\t1 , \"layers\" : [ { } , {\"size\":-1} ] , \"annotations\" : { \"a\\\"}\" : \"\\\\\" } } ",
		`{"other":{"x":1,"x":2},"other":1,"raw":{"x":1,"x":2},"hidden":1,"Hidden":2}`,
	} {
		var got, want whole
		if err := Unmarshal([]byte(doc), &got); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
		if err := json.Unmarshal([]byte(doc), &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read as %+v, not %+v (%v)", doc, got, want, err)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for doc, what := range map[string]string{
		`{"layers":[],"layers":[{}]}`:                          `"layers" twice`,
		`{"layers":[],"layer\u0073":[{}]}`:                     `"layers" twice`,
		`{"layers":[],"Layers":[{}]}`:                          `"Layers", which some read as "layers"`,
		`{"LAYERS":[{}]}`:                                      `"LAYERS"`,
		`{"layer\u017f":[{}]}`:                                 "which some read as \"layers\"", // folds to s
		`{"mediatype":"x"}`:                                    `"mediatype"`,
		`{"Size":1}`:                                           `"Size"`, // of what is embedded
		`{"made":"2026-11-21T10:00:00Z"}`:                      `"made"`,
		`{"layers":[{"size":1,"size":2}]}`:                     `"size" twice`,
		`{"at":{"annotations":{"a":"1","a":"2"}}}`:             `"a" twice`,
		`{"at":{"Annotations":{}}}`:                            `"Annotations"`,
		`{} {}`:                                                "after top-level value",
		strings.Repeat("[", 1<<20):                             "depth",
		`{"` + strings.Repeat("a", 100) + `":1,"layers":[[]]}`: "cannot unmarshal",
	} {
		if err := Unmarshal([]byte(doc), new(whole)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%.80s: error %v, want %q", doc, err, what)
		}
	}
}

func TestCheck(t *testing.T) {
	for doc, what := range map[string]string{
		`{"size":1}`: "", `{"size":1,"size":1}`: "twice", `{"size":1} {}`: "something follows", ``: "not JSON", `{"size":`: "not JSON",
	} {
		err := Check([]byte(doc), whole{})
		if (err == nil) != (what == "") || err != nil && !strings.Contains(err.Error(), what) {
			t.Errorf("%s: error %v, want %q", doc, err, what)
		}
	}
}

// FuzzUnmarshal: what is read is read as encoding/json reads it, and the same
// with its members in another order.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"size":1,"layers":[{"size":1,"annotations":{"a":"1","A":"2"}},{}],"at":{"size":2},"raw":[{"a":1}],"bytes":"AAEC"}`))
	f.Add([]byte(`{"layers":[{"size":1}],"layers":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, again whole
		if Unmarshal(data, &got) != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(data, &members); err != nil {
			t.Fatalf("%s is no object: %v", data, err)
		}
		sorted, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		if err := Unmarshal(sorted, &again); err != nil {
			t.Fatalf("%s is read, %s is not: %v", data, sorted, err)
		}
		got.Raw, again.Raw = nil, nil // Marshal writes it without spaces
		if !reflect.DeepEqual(got, again) {
			t.Fatalf("%s is %+v, %s is %+v", data, got, sorted, again)
		}
	})
}
