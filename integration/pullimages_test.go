package integration

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/sandbox/image/view"
)

// tree describes the merged files of an image of the store, a line each, by
// its manifest digest.
func (m *machine) tree(digest string) map[string]string {
	m.t.Helper()
	store, err := image.OpenStore(m.store)
	if err != nil {
		m.t.Fatal(err)
	}
	entry := store.Entry(digest)
	if entry == nil {
		m.t.Fatalf("the store has no image %s", digest)
	}
	tree, err := view.Open(store.Trees(entry))
	if err != nil {
		m.t.Fatal(err)
	}
	defer tree.Close()
	lines := map[string]string{}
	err = tree.Walk(func(e view.Entry) (err error) {
		lines[e.Path], err = describe(e)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return lines
}

// hash is the digest of a tree.
func hash(tree map[string]string) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, tree))) // maps are printed in order
}

// describe is all that a container can see of a file.
func describe(e view.Entry) (string, error) {
	st := e.Info.Sys().(*syscall.Stat_t)
	line := fmt.Sprintf("%v %d:%d", e.Info.Mode(), st.Uid, st.Gid)
	if e.Info.Mode()&fs.ModeSymlink != 0 {
		target, err := e.Readlink()
		return line + " " + target, err
	}
	if !e.Info.Mode().IsRegular() {
		return line, nil
	}
	f, err := e.Open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	names := make([]byte, 4096)
	n, err := unix.Flistxattr(int(f.Fd()), names)
	if err != nil {
		return "", err
	}
	line += fmt.Sprintf(" links=%d modified=%d %s", st.Nlink, e.Info.ModTime().Unix(), hex.EncodeToString(sum.Sum(nil)))
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		if name == "" {
			continue
		}
		n, err := unix.Fgetxattr(int(f.Fd()), name, value)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" %s=%q", name, value[:n])
	}
	return line, nil
}

// peekLayer is the layer that all images here share, compressed once.
var peekLayer = sync.OnceValues(func() (v1.Layer, error) {
	p, err := build()
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(p.peek)
	if err != nil {
		return nil, err
	}
	return layerOf(imagetest.Files{
		"peek": {Mode: 0o755, Content: string(program)}, "etc/passwd": {Content: "root:x:0:0::/:/peek\n"},
	})
})

func layerOf(files imagetest.Files) (v1.Layer, error) {
	content := files.Tar()
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithCompressedCaching, tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithMediaType(types.OCILayer))
}

// withPeek is an image whose first layer can run, and whose /version says what
// is given; more layers lie over these.
func withPeek(t *testing.T, version string, more ...imagetest.Files) v1.Image {
	t.Helper()
	bottom, err := peekLayer()
	if err != nil {
		t.Fatal(err)
	}
	layers := []v1.Layer{bottom}
	for _, files := range append([]imagetest.Files{{"version": {Content: version + "\n"}}}, more...) {
		layer, err := layerOf(files)
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, layer)
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layers...)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Entrypoint: []string{"/peek"}, Cmd: []string{"read", "/version"}}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

// intoLayout writes an image as the only one of an OCI layout.
func intoLayout(t *testing.T, dir, as string, img v1.Image) {
	t.Helper()
	path, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": as}))
	}
	if err != nil {
		t.Fatal(err)
	}
}
