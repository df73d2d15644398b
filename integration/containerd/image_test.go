package containerd

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// image imports an image of the test's root, and gives its name.
func (e *engine) image(short string) string {
	e.t.Helper()
	full := "registry.invalid/" + short + ":1"
	e.imported(full, e.rootfs(), func(c *v1.Config) { c.Cmd = []string{"/bin/sleep", "1000"} })
	return full
}

// imported imports an image of a directory, under this name.
func (e *engine) imported(full, root string, set func(*v1.Config)) {
	e.t.Helper()
	file := filepath.Join(e.dir, "image.tar")
	e.archive(file, full, root, set)
	e.must("image", "import", file)
	must(e.t, os.Remove(file))
}

// archive makes an image of a directory, of one layer.
func (e *engine) archive(file, full, root string, set func(*v1.Config)) {
	e.t.Helper()
	content := &bytes.Buffer{}
	w := tar.NewWriter(content)
	must(e.t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		link, _ := os.Readlink(path)
		header, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		header.Name, _ = filepath.Rel(root, path)
		if err := w.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}))
	must(e.t, w.Close())
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil })
	must(e.t, err)
	image, err := mutate.AppendLayers(empty.Image, layer)
	must(e.t, err)
	config := configured(e, image)
	set(&config.Config)
	image, err = mutate.ConfigFile(image, config)
	must(e.t, err)
	ref, err := name.NewTag(full)
	must(e.t, err)
	must(e.t, tarball.WriteToFile(file, ref, image))
}

func configured(e *engine, image v1.Image) *v1.ConfigFile {
	c, err := image.ConfigFile()
	must(e.t, err)
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", "amd64"
	c.Config.Env = []string{"PATH=/bin"}
	return c
}
