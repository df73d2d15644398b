package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec/problem"
)

func TestPodmanStore(t *testing.T) {
	s := newStore(t, twoLayers())
	found, err := s.find("acme/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if found.Made || len(found.Layers) != 2 || found.Layers[0].MediaType != types.OCIUncompressedLayer || found.Layers[0].Size < 1024 {
		t.Errorf("%+v", found)
	}
	if _, err := s.find("acme/app:1@" + found.Digest.String()); err != nil {
		t.Error(err)
	}
	if _, err := s.find("acme/app@sha256:" + strings.Repeat("0", 64)); !errors.As(err, new(elsewhere)) {
		t.Errorf("another digest: %v", err)
	}
	s.images[0].Names = []string{"localhost/app:latest"}
	s.write()
	if _, err := s.find("app"); err != nil {
		t.Error(err)
	}
	if _, err := s.find("docker.io/library/app"); !errors.As(err, new(elsewhere)) {
		t.Errorf("a full name: %v", err)
	}
}

func TestPodmanImageForSeveralPlatforms(t *testing.T) {
	s := newStore(t, twoLayers())
	plain, err := s.find("acme/app:1")
	if err != nil {
		t.Fatal(err)
	}
	index, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{
		{Digest: hashBytes(nil), MediaType: types.OCIManifestSchema1, Platform: &v1.Platform{OS: "linux", Architecture: "other"}},
		{Digest: plain.Digest, Size: int64(len(plain.Manifest)), MediaType: types.OCIManifestSchema1, Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.document("manifest-"+hashBytes(index).String(), index)
	s.write()
	for _, name := range []string{"acme/app:1", "acme/app@" + hashBytes(index).String()} {
		found, err := s.find(name)
		if err != nil {
			t.Fatal(err)
		}
		if found.Digest != plain.Digest || found.Index != hashBytes(index) {
			t.Errorf("%s is %s of index %s, want %s of %s", name, found.Digest, found.Index, plain.Digest, hashBytes(index))
		}
	}
}

func TestDamagedPodmanStore(t *testing.T) {
	first, second := strings.Repeat("a", 64), strings.Repeat("b", 64)
	diff := "overlay/" + first + "/diff/"
	for name, c := range map[string]struct {
		damage func(*testStore)
		want   string
	}{
		"no JSON":                 {func(s *testStore) { s.file("overlay-images/images.json", []byte("x")) }, "images.json is malformed"},
		"no JSON of layers":       {func(s *testStore) { s.file("overlay-layers/layers.json", []byte("{}")) }, "layers.json is malformed"},
		"an id with a path":       {func(s *testStore) { s.images[0].ID = "../../x"; s.write() }, "impossible id"},
		"a layer with a path":     {func(s *testStore) { s.images[0].TopLayer, s.layers[1].ID = "../x", "../x"; s.write() }, "layer 2 is not in the store"},
		"a layer is missing":      {func(s *testStore) { s.layers = s.layers[:1]; s.write() }, "layer 2 is not in the store"},
		"a layer too many":        {func(s *testStore) { s.layers[0].Parent = second; s.write() }, "more layers in the store"},
		"another layer":           {func(s *testStore) { s.layers[0].DiffID = "sha256:00"; s.write() }, "layer 1 is sha256:00 in the store"},
		"a changed manifest":      {func(s *testStore) { s.change("manifest", "gzip", "zstd") }, ""},
		"no manifest":             {func(s *testStore) { s.images[0].ID = strings.Repeat("2", 64); s.write() }, "its manifest is not in the store"},
		"a changed config":        {func(s *testStore) { s.change(s.images[0].Data[2], "linux", "winux") }, "the config is damaged"},
		"a changed file":          {func(s *testStore) { s.file(diff+"a", []byte("FIRST")) }, `checksum failed for "a"`},
		"a longer file":           {func(s *testStore) { s.file(diff+"a", []byte("first and more")) }, `checksum failed for "a"`},
		"a missing file":          {func(s *testStore) { s.remove(diff + "a") }, `has no "a"`},
		"a link out of the layer": {func(s *testStore) { s.link(diff+"a", "/etc/passwd") }, `has no "a": too many levels of symbolic links`},
		"a pipe":                  {func(s *testStore) { s.pipe(diff + "a") }, `something else than a file at "a"`},
		"no headers":              {func(s *testStore) { s.remove("overlay-layers/" + first + ".tar-split.gz") }, "in a form that cannot be read"},
		"damaged headers":         {func(s *testStore) { s.file("overlay-layers/"+first+".tar-split.gz", []byte("x")) }, "the headers of layer"},
		"the headers are a pipe":  {func(s *testStore) { s.pipe("overlay-layers/" + first + ".tar-split.gz") }, "not a regular file"},
		"a bomb of headers":       {func(s *testStore) { s.bomb("overlay-layers/" + first + ".tar-split.gz") }, "an entry of more than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, twoLayers())
			c.damage(s)
			begin := time.Now()
			found, err := s.find("acme/app:1")
			if c.want == "" { // its digest is another one: the manifest is what it is
				if err == nil && found.Digest.String() == strings.TrimPrefix(s.images[0].Data[1], "manifest-") {
					t.Error("the manifest was changed and its digest was not")
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// What a layer put behind its own links is found inside the layer.
func TestLinksStayInTheLayer(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.MkdirAll(dir+"/etc", 0o700), os.WriteFile(dir+"/etc/passwd", []byte("inside"), 0o600),
		os.Symlink("/etc", dir+"/abs"), os.Symlink("../../../../etc", dir+"/up"), os.Symlink("/proc/self/root/etc", dir+"/magic")); err != nil {
		t.Fatal(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, want := range map[string]string{
		"etc/passwd": "inside", "/etc/passwd": "inside", "abs/passwd": "inside", "up/passwd": "inside",
		"../etc/passwd": "inside", "magic/passwd": "", "etc": "", "etc/hostname": "",
	} {
		r, err := unpacked{d}.Get(name)
		if want == "" {
			if err == nil || problem.HintOf(err) == "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if data, err := io.ReadAll(r); err != nil || string(data) != want {
			t.Errorf("%s has %q, %v", name, data, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPodmanStores(t *testing.T) {
	dir := engineDir(t)
	t.Setenv("CONTAINERS_STORAGE_CONF", emptyStore(t, dir))
	hasNoStore := func() {
		t.Helper()
		_, err := findInContainersStorage(t.Context(), image.Reference{Transport: image.ContainersStorage, Path: "app"}, testOptions(t))
		if no, is := err.(elsewhere); !is || no.why != "no store" {
			t.Errorf("%v", err)
		}
	}
	hasNoStore()
	if _, err := os.Stat(dir + "/graph"); err == nil {
		t.Error("looking for a store made one")
	}
	t.Setenv("STORAGE_DRIVER", "btrfs")
	hasNoStore()
	if err := errors.Join(os.MkdirAll(dir+"/graph/btrfs-images", 0o700), os.WriteFile(dir+"/graph/btrfs-images/images.json", []byte("[]"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := findInContainersStorage(t.Context(), image.Reference{Transport: image.ContainersStorage, Path: "app"}, testOptions(t))
	if err == nil || !strings.Contains(err.Error(), "btrfs") || !strings.Contains(problem.HintOf(err), "podman save") {
		t.Errorf("%v", err)
	}
}

// FuzzPodmanStore reads any bytes as images.json and layers.json.
func FuzzPodmanStore(f *testing.F) {
	id := strings.Repeat("a", 64)
	f.Add([]byte(`[{"id":"`+id+`","names":["docker.io/library/app:latest"],"layer":"`+id+`","big-data-names":["manifest"]}]`),
		[]byte(`[{"id":"`+id+`","parent":"`+id+`","diff-digest":"sha256:`+id+`","diff-size":-3}]`))
	f.Add([]byte(`[{"id":"../x","names":["a@b@c:",":"],"big-data-names":["manifest-sha256:`+id+`"]}]`), []byte(`null`))
	f.Fuzz(func(t *testing.T, images, layers []byte) {
		var all []podmanImage
		var some []podmanLayer
		if json.Unmarshal(images, &all) != nil || json.Unmarshal(layers, &some) != nil {
			return
		}
		for _, name := range []string{"app", "app@sha256:" + id} {
			entry, manifest := chooseEntry(all, image.Reference{Transport: image.ContainersStorage, Path: name})
			if entry == nil {
				continue
			}
			if manifest != "manifest" && manifest != "manifest-sha256:"+id {
				t.Fatalf("the manifest is called %q", manifest)
			}
			found := &Image{Layers: make([]Layer, 2)}
			kept := map[string]podmanLayer{}
			for _, l := range some {
				kept[l.ID] = l
			}
			if describe(found, entry.TopLayer, kept) == nil && !podmanID.MatchString(entry.TopLayer) {
				t.Fatalf("layer %q was taken", entry.TopLayer)
			}
		}
	})
}

func (nothing) Get(string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("x")), nil
}

// FuzzPodmanHeaders reads any bytes as the headers of a layer.
func FuzzPodmanHeaders(f *testing.F) {
	var split bytes.Buffer
	r, done, err := asm.NewInputTarStreamWithDone(bytes.NewReader(imagetest.Files{"a": {Content: "x"}}.Tar()), storage.NewJSONPacker(&split), nil)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		f.Fatal(err)
	}
	if err := <-done; err != nil {
		f.Fatal(err)
	}
	f.Add(split.Bytes())
	f.Add([]byte(`{"type":1,"name":"a","size":-1}` + "\n" + `{"type":2,"payload":"AA=="}`))
	f.Fuzz(func(t *testing.T, headers []byte) {
		var out bytes.Buffer
		err := asm.WriteOutputTarStream(nothing{}, storage.NewJSONUnpacker(&lines{r: bytes.NewReader(headers)}), &out)
		if err == nil && out.Len() > len(headers) {
			t.Fatalf("%d bytes of %d", out.Len(), len(headers))
		}
	})
}
