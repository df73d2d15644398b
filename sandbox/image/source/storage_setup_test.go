package source

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// testStore is a store of podman's made by hand, with one image.
type testStore struct {
	t      *testing.T
	root   string
	images []podmanImage
	layers []podmanLayer
}

// newStore makes a store that podman could have made of the image.
func newStore(t *testing.T, built imagetest.Image) *testStore {
	t.Helper()
	s := &testStore{t: t, root: filepath.Join(t.TempDir(), "graph")}
	img, err := built.Build()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("1", 64)
	top := ""
	for i, content := range built.Layers {
		layer := podmanLayer{ID: strings.Repeat(string(rune('a'+i)), 64), Parent: top, DiffID: hashBytes(content).String(), Size: int64(len(content))}
		s.layer(layer, content)
		top = layer.ID
	}
	s.images = []podmanImage{{ID: id, Names: []string{"docker.io/acme/app:1"}, TopLayer: top}}
	s.document("manifest", manifest)
	s.document("manifest-"+hashBytes(manifest).String(), manifest)
	s.document(hashBytes(config).String(), config)
	s.write()
	return s
}

// write writes images.json and layers.json.
func (s *testStore) write() {
	s.t.Helper()
	for name, v := range map[string]any{"overlay-images/images.json": s.images, "overlay-layers/layers.json": s.layers} {
		data, err := json.Marshal(v)
		if err != nil {
			s.t.Fatal(err)
		}
		s.file(name, data)
	}
}

func (s *testStore) file(name string, data []byte) {
	s.t.Helper()
	path := filepath.Join(s.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
		s.t.Fatal(err)
	}
}

// document adds a document to the image.
func (s *testStore) document(name string, data []byte) {
	s.t.Helper()
	s.images[0].Data = append(s.images[0].Data, name)
	s.file(strings.TrimPrefix(podmanData{"overlay-images/" + s.images[0].ID}.path(name), "/"), data)
}

// layer adds a layer as podman keeps it.
func (s *testStore) layer(l podmanLayer, content []byte) {
	s.t.Helper()
	var split bytes.Buffer
	z := gzip.NewWriter(&split)
	r, done, err := asm.NewInputTarStreamWithDone(bytes.NewReader(content), storage.NewJSONPacker(z), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	diff := "overlay/" + l.ID + "/diff/"
	if err := os.MkdirAll(filepath.Join(s.root, diff), 0o700); err != nil {
		s.t.Fatal(err)
	}
	entries := tar.NewReader(r)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.t.Fatal(err)
		}
		data, err := io.ReadAll(entries)
		if err != nil {
			s.t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, filepath.Join(s.root, diff, h.Name))
		case tar.TypeReg:
			s.file(diff+h.Name, data)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(<-done, z.Close()); err != nil {
		s.t.Fatal(err)
	}
	s.file("overlay-layers/"+l.ID+".tar-split.gz", split.Bytes())
	s.layers = append(s.layers, l)
}

// find looks for the image and reads its layers.
func (s *testStore) find(name string) (*Image, error) {
	s.t.Helper()
	found, err := findInStores([]*podmanStore{{root: s.root, driver: "overlay"}},
		image.Reference{Transport: image.ContainersStorage, Path: name}, testOptions(s.t))
	if err != nil {
		return nil, err
	}
	for _, l := range found.Layers {
		r, err := l.Open(s.t.Context(), 0)
		if err != nil {
			return nil, err
		}
		got, err := hashOf(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		if got != l.Digest {
			return nil, errors.New("the layer has another digest")
		}
	}
	return found, nil
}

func twoLayers() imagetest.Image {
	return imagetest.New(spec.ImageConfig{Entrypoint: []string{"/a"}},
		imagetest.Files{"a": {Content: "first"}, "b": {Content: "more"}}, imagetest.Files{"c": {Content: "second"}})
}

func (s *testStore) change(name, from, to string) {
	s.t.Helper()
	file := podmanData{filepath.Join("overlay-images", s.images[0].ID)}.path(name)
	data, err := os.ReadFile(filepath.Join(s.root, file))
	if err != nil || !bytes.Contains(data, []byte(from)) {
		s.t.Fatalf("%s has no %s: %v", name, from, err)
	}
	s.file(file, bytes.ReplaceAll(data, []byte(from), []byte(to)))
}

func (s *testStore) remove(name string) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.root, name)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testStore) link(name, to string) {
	s.t.Helper()
	s.remove(name)
	if err := os.Symlink(to, filepath.Join(s.root, name)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testStore) pipe(name string) {
	s.t.Helper()
	s.remove(name)
	if err := unix.Mkfifo(filepath.Join(s.root, name), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testStore) bomb(name string) {
	s.t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for range 64 {
		if _, err := z.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.file(name, out.Bytes())
}

// nothing is a layer without files.
type nothing struct{}
