package pull

import (
	"path/filepath"
	"runtime"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

var tinyTar = imagetest.Files{"x": {Content: "x"}}.Tar()

// tiny writes an image whose command is its own name.
func (w *writer) tiny(arch, command string) v1.Descriptor {
	c := config(arch, tinyTar)
	c.Config.Cmd = []string{command}
	return w.image(c, w.blob(types.OCIUncompressedLayer, tinyTar))
}

func calledAs(d v1.Descriptor, name string) v1.Descriptor {
	d.Annotations = map[string]string{refName: name}
	return d
}

func forThe(d v1.Descriptor, os, arch, variant string) v1.Descriptor {
	d.Platform = &v1.Platform{OS: os, Architecture: arch, Variant: variant}
	return d
}

func (w *writer) nested(inner ...v1.Descriptor) v1.Descriptor {
	return w.json(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: inner})
}

func TestChoose(t *testing.T) {
	here, other := runtime.GOARCH, "arm64"
	if here == other {
		other = "amd64"
	}
	for name, c := range map[string]struct {
		index func(w *writer) []v1.Descriptor
		tag   string
		want  string   // the command of the image
		words []string // or the error
	}{
		"the only one":  {index: func(w *writer) []v1.Descriptor { return []v1.Descriptor{w.tiny(here, "a")} }, want: "a"},
		"the only name": {index: func(w *writer) []v1.Descriptor { return []v1.Descriptor{calledAs(w.tiny(here, "a"), "v1")} }, want: "a"},
		"two names of one": {index: func(w *writer) []v1.Descriptor {
			a := w.tiny(here, "a")
			return []v1.Descriptor{calledAs(a, "v1"), calledAs(a, "v2")}
		}, want: "a"},
		"by name": {index: func(w *writer) []v1.Descriptor {
			return []v1.Descriptor{calledAs(w.tiny(here, "a"), "v1"), calledAs(w.tiny(here, "b"), "v2")}
		}, tag: "v2", want: "b"},
		"by docker's name": {index: func(w *writer) []v1.Descriptor {
			b := w.tiny(here, "b")
			b.Annotations = map[string]string{"io.containerd.image.name": "docker.io/library/b:2", refName: "2"}
			return []v1.Descriptor{calledAs(w.tiny(here, "a"), "1"), b}
		}, tag: "docker.io/library/b:2", want: "b"},
		"no name given": {index: func(w *writer) []v1.Descriptor {
			return []v1.Descriptor{calledAs(w.tiny(here, "a"), "v1"), calledAs(w.tiny(here, "b"), "v2")}
		},
			words: []string{"several images", "v1, v2"}},
		"wrong name":             {index: func(w *writer) []v1.Descriptor { return []v1.Descriptor{calledAs(w.tiny(here, "a"), "v1")} }, tag: "v3", words: []string{`"v3"`, "only v1"}},
		"wrong name, none there": {index: func(w *writer) []v1.Descriptor { return []v1.Descriptor{w.tiny(here, "a")} }, tag: "v3", words: []string{"none has a name"}},
		"empty":                  {index: func(*writer) []v1.Descriptor { return nil }, words: []string{"no image in it"}},
		"this platform": {index: func(w *writer) []v1.Descriptor {
			return []v1.Descriptor{forThe(w.tiny(other, "a"), "linux", other, ""), forThe(w.tiny(here, "b"), "linux", here, "")}
		}, want: "b"},
		"least variant": {index: func(w *writer) []v1.Descriptor {
			return []v1.Descriptor{forThe(w.tiny(here, "a"), "linux", here, "v9"), forThe(w.tiny(here, "b"), "linux", here, "v1")}
		}, want: "b"},
		"nested": {index: func(w *writer) []v1.Descriptor {
			attestation := forThe(w.tiny("unknown", "c"), "unknown", "unknown", "")
			return []v1.Descriptor{calledAs(w.nested(forThe(w.tiny(other, "a"), "linux", other, ""), forThe(w.tiny(here, "b"), "linux", here, ""), attestation), "v1")}
		}, tag: "v1", want: "b"},
		"other platforms only": {index: func(w *writer) []v1.Descriptor {
			return []v1.Descriptor{w.nested(forThe(w.tiny(other, "a"), "linux", other, "v8"), forThe(w.tiny(here, "b"), "windows", here, ""))}
		}, words: []string{"linux/" + here, "linux/" + other + "/v8", "windows/" + here}},
		"config of another platform": {index: func(w *writer) []v1.Descriptor { return []v1.Descriptor{w.tiny(other, "a")} }, words: []string{"linux/" + other, "this machine is linux/" + here}},
		"config lies":                {index: func(w *writer) []v1.Descriptor { return []v1.Descriptor{forThe(w.tiny(other, "a"), "linux", here, "")} }, words: []string{"linux/" + other}},
		"nothing to tell them apart": {index: func(w *writer) []v1.Descriptor { return []v1.Descriptor{w.tiny(here, "a"), w.tiny(here, "b")} }, words: []string{"2 images", "without a name"}},
		"too deep": {index: func(w *writer) []v1.Descriptor {
			d := w.tiny(here, "a")
			for range maxNesting + 1 {
				d = w.nested(d)
			}
			return []v1.Descriptor{d}
		}, words: []string{"inside each other"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := newWriter(filepath.Join(dir, "layout"))
			must(t, w.index(c.index(w)...))
			reference := "oci:" + w.dir
			if c.tag != "" {
				reference += ":" + c.tag
			}
			store := filepath.Join(dir, "store")
			_, err := Pull(t.Context(), reference, Options{Store: store})
			if c.words != nil {
				assertMendable(t, err, false, c.words...)
				return
			}
			must(t, err)
			if got := openImage(t, reference, store).Spec.Config.Cmd[0]; got != c.want {
				t.Errorf("it took image %q, want %q", got, c.want)
			}
		})
	}
}
