package volume

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseRecord(t *testing.T) {
	id := strings.Repeat("a", 64)
	for text, want := range map[string]string{
		`{"name":"data"}`:                          "",
		`{"name":"data","later":[1]}`:              "",
		`{"name":"data","size":65536,"project":7}`: "",
		`{"name":"data","container":"` + id + `"}`: "",
		``:                                      "not JSON",
		`[]`:                                    "not JSON",
		`{"name":"data"} {}`:                    "something follows",
		`{"name":"other"}`:                      "about another volume",
		`{"name":"data","size":-1}`:             "its size is none",
		`{"name":"data","size":65536}`:          "its size is none",
		`{"name":"data","project":7}`:           "its size is none",
		`{"name":"data","container":"../x"}`:    "goes with is none",
		`{"name":"data","created":"yesterday"}`: "not JSON",
		`{"name":"data","labels":{"a":1}}`:      "not JSON",
	} {
		_, err := parseRecord([]byte(text), "data")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// FuzzParseRecord: what is read once is written so that it reads the same.
func FuzzParseRecord(f *testing.F) {
	full := Volume{
		Name: "data", Created: time.Unix(1, 2).UTC(), Labels: map[string]string{"a": "b"}, Size: 1 << 30, Project: firstProject,
		Anonymous: true, Container: strings.Repeat("0", 64), Fresh: true,
	}
	data, err := json.Marshal(full)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(data), `{"name":"data"}`, `{}`, `{"name":"data","size":-1}`, `{"name":"data"}{`, "null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseRecord([]byte(text), "data")
		if err != nil {
			return
		}
		if !ValidName(v.Name) || v.Size < 0 || v.Container != "" && !validID(v.Container) {
			t.Fatalf("%q: %+v", text, v)
		}
		written, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q: %+v cannot be written: %v", text, v, err)
		}
		again, err := parseRecord(written, "data")
		if err != nil || !again.Created.Equal(v.Created) {
			t.Fatalf("%q: %s reads as %+v, %v", text, written, again, err)
		}
		again.Created = v.Created
		if len(v.Labels) == 0 {
			again.Labels = v.Labels
		}
		if !reflect.DeepEqual(again, v) {
			t.Fatalf("%q: %s reads as %+v", text, written, again)
		}
	})
}
