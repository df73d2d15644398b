package source

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/sandbox/image/source/ociconfig"
	"github.com/safe-run/safe-run/spec"
)

// FuzzImageConfig reads any bytes as an image config. What comes out has one
// way to be written and survives a record.
func FuzzImageConfig(f *testing.F) {
	c := v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH}
	c.Config = v1.Config{
		User: "0", Env: []string{"A=b", "C"}, Volumes: map[string]struct{}{"../x": {}}, WorkingDir: "a",
		ExposedPorts: map[string]struct{}{"80": {}, "9-12/udp": {}},
	}
	seed, err := json.Marshal(c)
	must(f, err)
	f.Add(seed)
	f.Add([]byte(`{"os":"linux","architecture":"` + runtime.GOARCH + `","config":{"ExposedPorts":{"1-65535/tcp":{}},"Env":["=x","\u0000"]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := readConfig(raw, 0, runtime.GOARCH)
		if err != nil {
			return
		}
		got, err := ociconfig.Read(file)
		if err != nil {
			return
		}
		if len(got.ExposedPorts) > 1024 || !slices.IsSorted(got.Volumes) {
			t.Errorf("config %+v", got)
		}
		for _, v := range append(slices.Clone(got.Volumes), got.WorkingDir) {
			if v != "" && (!filepath.IsAbs(v) || filepath.Clean(v) != v) {
				t.Errorf("path %q is not clean and absolute", v)
			}
		}
		for _, e := range got.Env {
			if i := strings.IndexByte(e, '='); i < 1 {
				t.Errorf("variable %q", e)
			}
		}
		entry := image.Entry{Digest: hashBytes(raw).String(), ConfigRaw: hashBytes(raw).String(), Config: got, Version: 2}
		b, err := json.Marshal(entry)
		must(t, err)
		if _, err := image.DecodeEntry(b); err != nil {
			t.Errorf("its entry cannot be read: %v", err)
		}
	})
}

// FuzzIndex reads any bytes as an index.json and looks for an image in it.
func FuzzIndex(f *testing.F) {
	dir := f.TempDir()
	img := imagetest.New(spec.ImageConfig{Cmd: []string{"/a"}}, imagetest.Files{"a": {Content: "a"}})
	must(f, img.Layout(dir, "v1"))
	seed, err := os.ReadFile(filepath.Join(dir, "index.json"))
	must(f, err)
	f.Add(seed, "v1")
	f.Add([]byte(`{"manifests":[{"digest":"sha256:"},null]}`), "")
	f.Fuzz(func(t *testing.T, raw []byte, tag string) {
		root, err := os.OpenRoot(dir)
		must(t, err)
		defer root.Close()
		l := &layout{blobs: folder{root}}
		if decode(raw, &l.index, "index") != nil {
			return
		}
		c, err := l.choose(tag, runtime.GOARCH)
		if err == nil && !image.ValidDigest(c.Digest.String()) {
			t.Errorf("digest %q", c.Digest)
		}
	})
}

// FuzzArchive reads any bytes as an archive of blobs, in both forms.
func FuzzArchive(f *testing.F) {
	dir := f.TempDir()
	img := imagetest.New(spec.ImageConfig{Cmd: []string{"/a"}}, imagetest.Files{"a": {Content: "a"}}, imagetest.Files{"b": {}})
	must(f, img.OCIArchive(filepath.Join(dir, "oci"), "a"))
	must(f, img.DockerArchive(filepath.Join(dir, "docker"), "a:1"))
	for _, name := range []string{"oci", "docker"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		must(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, "fuzzed")
		must(t, os.WriteFile(path, content, 0o600))
		o := Options{
			Arch: runtime.GOARCH, Limits: bounds.Limits{Entries: 100, Bytes: 1 << 20, Names: 1 << 18, Layers: 4},
			Scratch: func(string) (*os.File, error) { return os.CreateTemp(t.TempDir(), "") },
		}
		for _, transport := range []string{image.OCIArchive, image.DockerArchive} {
			found, err := Find(t.Context(), image.Reference{Transport: transport, Path: path}, o)
			if err != nil {
				continue
			}
			if !image.ValidDigest(found.Digest.String()) || len(found.Layers) > 4 {
				t.Errorf("digest %q with %d layers", found.Digest, len(found.Layers))
			}
			must(t, found.Close())
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
