package image

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec"
)

// someEntry is an image of two layers.
func someEntry() *Entry {
	layer := EntryLayer{Chain: someDigest, DiffID: someDigest, Blob: someDigest, Size: 5}
	return &Entry{Digest: someDigest, ConfigRaw: someDigest, Layers: []EntryLayer{layer, layer}, Config: spec.ImageConfig{User: "u"}}
}

func TestEntry(t *testing.T) {
	s := newStore(t)
	must(t, s.PutEntry(someEntry()))
	got := s.Entry(someDigest)
	if !reflect.DeepEqual(got, func() *Entry { e := someEntry(); e.Version = recordVersion; return e }()) {
		t.Fatalf("entry %+v", got)
	}
	if s.Complete(got) {
		t.Error("it is complete without its layers")
	}
	must(t, os.Mkdir(s.Layer(someDigest), 0o755))
	if !s.Complete(got) {
		t.Error("it is not complete with its layers")
	}
	for name, change := range map[string]func(*Entry){
		"digest": func(e *Entry) { e.Digest = "../x" }, "config": func(e *Entry) { e.ConfigRaw = "" },
		"index": func(e *Entry) { e.Index = "sha256:.." }, "chain": func(e *Entry) { e.Layers[1].Chain = "sha256:../../x" },
		"diff id": func(e *Entry) { e.Layers[0].DiffID = "" }, "blob": func(e *Entry) { e.Layers[0].Blob = "/etc/passwd" },
	} {
		bad := someEntry()
		change(bad)
		if s.PutEntry(bad) == nil {
			t.Errorf("%s: it was written", name)
		}
		b, err := json.Marshal(bad)
		must(t, err)
		if _, err := DecodeEntry(b); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
	if s.Entry("../refs/x") != nil || s.Entry("sha256:"+strings.Repeat("0b", 32)) != nil {
		t.Error("there is an entry of another digest")
	}
}
