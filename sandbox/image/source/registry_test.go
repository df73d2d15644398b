package source

import (
	"net/http"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// counting counts requests.
type counting struct {
	http.Handler
	mu    sync.Mutex
	paths []string
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.paths = append(c.paths, r.Method+" "+r.URL.Path)
	c.mu.Unlock()
	c.Handler.ServeHTTP(w, r)
}

func TestImageOfARegistry(t *testing.T) {
	n := newNetwork(t)
	h := &counting{Handler: testRegistry()}
	i := testImage(t, testArch, bytesOf(100), bytesOf(70_000))
	put(t, h.Handler, "acme/app:1", i)
	host := n.serve(someHost, someAddress, h)

	found := n.mustFind(host + "/acme/app:1")
	if want := digestOf(t, i); found.Digest != want {
		t.Errorf("digest %s, want %s", found.Digest, want)
	}
	if found.Repository != host+"/acme/app" || found.Index != (v1.Hash{}) || found.Made || len(found.Stamps) > 0 {
		t.Errorf("found %+v", found)
	}
	if len(h.paths) != 2 {
		t.Errorf("manifest and config took %d requests: %v", len(h.paths), h.paths)
	}
	if len(found.Layers) != 2 {
		t.Fatalf("%d layers", len(found.Layers))
	}
	for _, offset := range []int64{0, 1, 69_999, 70_000} {
		got, err := readLayer(t, found.Layers[1], offset)
		if err != nil || got != bytesOf(70_000)[offset:] {
			t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
		}
	}
	if _, err := found.Layers[1].Open(t.Context(), 70_001); err == nil {
		t.Error("an offset behind the end was accepted")
	}
}

func TestOneOfSeveralPlatforms(t *testing.T) {
	n := newNetwork(t)
	h := testRegistry()
	ours, other := testImage(t, testArch, "ours"), testImage(t, "s390x", "other")
	add := func(i v1.Image, arch string) mutate.IndexAddendum {
		return mutate.IndexAddendum{Add: i, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}}
	}
	index := mutate.AppendManifests(empty.Index, add(other, "s390x"), add(ours, testArch))
	put(t, h, "acme/app:1", index)
	put(t, h, "acme/foreign:1", mutate.AppendManifests(empty.Index, add(other, "s390x")))
	host := n.serve(someHost, someAddress, h)

	found := n.mustFind(host + "/acme/app:1")
	if found.Digest != digestOf(t, ours) || found.Index != digestOf(t, index) {
		t.Errorf("digest %s of index %s", found.Digest, found.Index)
	}
	for _, pin := range []v1.Hash{digestOf(t, index), digestOf(t, ours)} {
		found := n.mustFind(host + "/acme/app:wrong@" + pin.String())
		if found.Digest != digestOf(t, ours) {
			t.Errorf("%s led to %s", pin, found.Digest)
		}
	}
	_, err := n.find(host + "/acme/foreign:1")
	refuses(t, err, "no image for linux/amd64", "linux/s390x")
}
