package pull

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFlatten writes the tree that the layers make, and nothing over what is
// there.
func TestFlatten(t *testing.T) {
	dir := t.TempDir()
	layout, store, into := filepath.Join(dir, "layout"), filepath.Join(dir, "store"), filepath.Join(dir, "rootfs")
	must(t, sample().Layout(layout, ""))
	must(t, Flatten(t.Context(), "oci:"+layout, into, Options{Store: store}))
	want := map[string]string{}
	for path, line := range sampleTree {
		want[path] = line
	}
	want["secret"] = `-r-------- 65535:12 links=1 "s"`
	assertTree(t, []string{into}, want)
	err := Flatten(t.Context(), "oci:"+layout, into, Options{Store: store})
	assertMendable(t, err, true, "not empty")
	err = Flatten(t.Context(), "oci:"+layout, filepath.Join(dir, "none", "rootfs"), Options{Store: store})
	assertMendable(t, err, true, "no such file")
	must(t, os.Symlink("/etc", filepath.Join(dir, "link")))
	err = Flatten(t.Context(), "oci:"+layout, filepath.Join(dir, "link"), Options{Store: store})
	assertMendable(t, err, true, "not empty")
}
