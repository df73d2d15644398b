package pull

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// TestReread: an entry of a version that knew less is read, and has the rest
// after the next pull.
func TestReread(t *testing.T) {
	dir := t.TempDir()
	want := spec.ImageConfig{Entrypoint: []string{"/a"}, Health: &spec.ImageHealth{Test: []string{"CMD", "/a"}, Interval: time.Minute}}
	must(t, imagetest.New(want, imagetest.Files{"a": {}}).Layout(filepath.Join(dir, "layout"), ""))
	ref, o := "oci:"+filepath.Join(dir, "layout"), Options{Store: filepath.Join(dir, "store"), Pull: image.PullAlways}
	record, err := Pull(t.Context(), ref, o)
	must(t, err)
	store, err := image.OpenStore(o.Store)
	must(t, err)
	entry := store.Entry(record.Digest)
	if !reflect.DeepEqual(entry.Config.Health, want.Health) {
		t.Fatalf("kept: %+v", entry.Config.Health)
	}
	entry.Config.Health = nil
	must(t, store.PutEntry(entry))
	if e := store.Entry(record.Digest); e == nil || e.Config.Health != nil {
		t.Fatalf("of before: %+v", e)
	}
	if _, err := Pull(t.Context(), ref, o); err != nil {
		t.Fatal(err)
	}
	if got := store.Entry(record.Digest).Config; !reflect.DeepEqual(got.Health, want.Health) {
		t.Errorf("after a pull: %+v", got.Health)
	}
}
