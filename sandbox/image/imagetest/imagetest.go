// Package imagetest makes small images for tests: from a map of files, as an
// OCI layout, an OCI archive or a docker archive. It is not for production: no
// package that is built into a program imports it.
package imagetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image/source/ociconfig"
	"github.com/safe-run/safe-run/spec"
)

// File is one entry of a layer.
type File struct {
	// Mode has the type (fs.ModeDir, fs.ModeSymlink, fs.ModeNamedPipe,
	// fs.ModeDevice, fs.ModeCharDevice) and the permissions, with fs.ModeSetuid,
	// fs.ModeSetgid and fs.ModeSticky. A regular file with mode 0 gets 0644.
	Mode fs.FileMode
	// Content of a regular file, or what a symbolic link points to.
	Content  string
	HardLink string // the path in the image that this is a hard link to
	UID, GID int
	Xattrs   map[string]string
}

// Files are a layer's entries by their paths, without a leading slash.
type Files map[string]File

// Tar writes the entries as a tar, in the order of their paths.
func (f Files) Tar() []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, path := range slices.Sorted(maps.Keys(f)) {
		h := f[path].header(path)
		if err := w.WriteHeader(h); err != nil {
			panic(fmt.Sprintf("imagetest: %s: %v", path, err))
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, f[path].Content); err != nil {
				panic(fmt.Sprintf("imagetest: %s: %v", path, err))
			}
		}
	}
	if err := w.Close(); err != nil {
		panic(fmt.Sprintf("imagetest: %v", err))
	}
	return out.Bytes()
}

// types of the entries that are not regular files.
var typeflags = map[fs.FileMode]byte{
	fs.ModeDir: tar.TypeDir, fs.ModeSymlink: tar.TypeSymlink, fs.ModeNamedPipe: tar.TypeFifo,
	fs.ModeDevice: tar.TypeBlock, fs.ModeDevice | fs.ModeCharDevice: tar.TypeChar,
}

func (f File) header(path string) *tar.Header {
	h := &tar.Header{
		Name: path, Mode: int64(f.Mode.Perm()), Uid: f.UID, Gid: f.GID,
		Typeflag: tar.TypeReg, Format: tar.FormatPAX,
	}
	for bit, mode := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if f.Mode&bit != 0 {
			h.Mode |= mode
		}
	}
	for key, value := range f.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+key] = value
	}
	flag, special := typeflags[f.Mode.Type()]
	switch {
	case f.HardLink != "":
		h.Typeflag, h.Linkname = tar.TypeLink, f.HardLink
	case special && flag == tar.TypeSymlink:
		h.Typeflag, h.Linkname = flag, f.Content
	case special:
		h.Typeflag = flag
	default:
		h.Size = int64(len(f.Content))
		if f.Mode == 0 {
			h.Mode = 0o644
		}
	}
	return h
}

// Image is an image to be made.
type Image struct {
	Layers [][]byte // tars, lowest first; see Files.Tar
	Config spec.ImageConfig
	// OS and Arch are linux and this machine's when empty.
	OS, Arch string
}

// New is an image of these layers, lowest first.
func New(config spec.ImageConfig, layers ...Files) Image {
	img := Image{Config: config}
	for _, l := range layers {
		img.Layers = append(img.Layers, l.Tar())
	}
	return img
}

// Build makes the image in memory, with gzip layers and OCI media types.
func (i Image) Build() (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, content := range i.Layers {
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		}, tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			return nil, err
		}
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	if i.OS != "" {
		file.OS = i.OS
	}
	if i.Arch != "" {
		file.Architecture = i.Arch
	}
	file.Config = ociconfig.Write(i.Config)
	return mutate.ConfigFile(img, file)
}

// Layout adds the image to the OCI layout at dir, which is made when there is
// none, under the name ref; without a name when ref is empty. It can then be
// run as oci:DIR or oci:DIR:ref.
func (i Image) Layout(dir, ref string) error {
	img, err := i.Build()
	if err != nil {
		return err
	}
	path, err := layout.FromPath(dir)
	if err != nil {
		if path, err = layout.Write(dir, empty.Index); err != nil {
			return err
		}
	}
	var options []layout.Option
	if ref != "" {
		options = append(options, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": ref}))
	}
	return path.AppendImage(img, options...)
}

// OCIArchive writes the image as an OCI layout in a tar file.
func (i Image) OCIArchive(file, ref string) error {
	dir, err := os.MkdirTemp("", "imagetest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := i.Layout(dir, ref); err != nil {
		return err
	}
	return TarDirectory(dir, file)
}

// TarDirectory writes the directory dir as a tar file.
func TarDirectory(dir, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

// DockerArchive writes the image as docker save does, under the name ref,
// which must be a docker name such as app:1.0.
func (i Image) DockerArchive(file, ref string) error {
	img, err := i.Build()
	if err != nil {
		return err
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(filepath.Clean(file), tag, img)
}
