package pull

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// sample is an image with something of everything.
func sample() imagetest.Image {
	config := spec.ImageConfig{
		User: "www-data", Env: []string{"A=1", "B=x=y"}, Entrypoint: []string{"/bin/app"}, Cmd: []string{"-v"},
		WorkingDir: "/srv", ExposedPorts: []string{"53/udp", "8080/tcp"}, Volumes: []string{"/data"},
		StopSignal: "SIGQUIT", Labels: map[string]string{"k": "v"},
	}
	return imagetest.New(config,
		imagetest.Files{
			"bin":          {Mode: fs.ModeDir | 0o755},
			"bin/app":      {Mode: 0o755, Content: "program"},
			"bin/hard":     {Mode: 0o755, HardLink: "bin/app"},
			"bin/su":       {Mode: 0o755 | fs.ModeSetuid | fs.ModeSetgid, Content: "setuid"},
			"etc/passwd":   {Content: "www-data:x:33:33::/:/bin/sh\n"},
			"etc/group":    {Content: "www-data:x:33:\n"},
			"old/file":     {Content: "gone later"},
			"old/dir/file": {Content: "gone later"},
			"srv":          {Mode: fs.ModeDir | 0o750 | fs.ModeSetgid, UID: 33, GID: 33},
			"tmp":          {Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		},
		imagetest.Files{
			"bin/link":     {Mode: fs.ModeSymlink | 0o777, Content: "/bin/app"},
			"old/.wh.dir":  {},
			"old/.wh.file": {},
			"secret":       {Mode: 0o400, UID: 65535, GID: 12, Content: "s", Xattrs: map[string]string{"user.note": "n", "security.capability": "c"}},
			"pipe":         {Mode: fs.ModeNamedPipe | 0o600},
			"dev/full":     {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666},
			"locked":       {Mode: fs.ModeDir},
			"locked/in":    {Mode: 0o600, Content: "in"},
		})
}

var sampleTree = map[string]string{
	".":          "drwxr-xr-x 0:0",
	"bin":        "drwxr-xr-x 0:0",
	"bin/app":    `-rwxr-xr-x 0:0 links=2 "program"`,
	"bin/hard":   `-rwxr-xr-x 0:0 links=2 "program"`,
	"bin/link":   "Lrwxrwxrwx 0:0 -> /bin/app",
	"bin/su":     `-rwxr-xr-x 0:0 links=1 "setuid"`,
	"etc":        "drwxr-xr-x 0:0",
	"etc/group":  `-rw-r--r-- 0:0 links=1 "www-data:x:33:\n"`,
	"etc/passwd": `-rw-r--r-- 0:0 links=1 "www-data:x:33:33::/:/bin/sh\n"`,
	"locked":     "d--------- 0:0",
	"locked/in":  `-rw------- 0:0 links=1 "in"`,
	"old":        "drwxr-xr-x 0:0",
	"pipe":       "prw------- 0:0",
	"secret":     `-r-------- 65535:12 links=1 "s" user.note`,
	"srv":        "drwxr-x--- 33:33",
	"tmp":        "dtrwxrwxrwx 0:0",
}

// TestFormats unpacks the same image from every form it can have.
func TestFormats(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	img := sample()
	must(t, img.Layout(at("layout"), "app:1"))
	must(t, img.OCIArchive(at("oci.tar"), "app:1"))
	must(t, img.DockerArchive(at("docker.tar"), "app:1"))
	must(t, plainDockerArchive(img, at("plain.tar")))
	must(t, compress(at("oci.tar"), at("oci.tar.gz"), func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }))
	must(t, compress(at("docker.tar"), at("docker.tar.zst"), func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		must(t, err)
		return z
	}))
	must(t, recompressed(img, at("zstd")))
	want, err := img.Build()
	must(t, err)
	digest, err := want.Digest()
	must(t, err)

	for reference, exact := range map[string]bool{
		"oci:" + at("layout"):                                                   true,
		"oci:" + at("layout") + ":app:1":                                        true,
		"oci:" + at("layout") + ":" + digest.String():                           true,
		"oci-archive:" + at("oci.tar"):                                          true,
		"oci-archive:" + at("oci.tar") + ":app:1":                               true,
		"oci-archive:" + at("oci.tar.gz"):                                       true,
		"oci:" + at("zstd"):                                                     false,
		"docker-archive:" + at("docker.tar"):                                    false,
		"docker-archive:" + at("docker.tar") + ":app:1":                         false,
		"docker-archive:" + at("docker.tar.zst"):                                false,
		"docker-archive:" + at("plain.tar"):                                     false,
		"docker-archive:" + at("plain.tar") + ":plain":                          false,
		"docker-archive:" + at("plain.tar") + ":docker.io/library/plain:latest": false,
	} {
		t.Run(reference[len(reference)-12:], func(t *testing.T) {
			store := filepath.Join(t.TempDir(), "store")
			record, err := Pull(t.Context(), reference, Options{Store: store})
			if err != nil {
				t.Fatal(err)
			}
			assertTidy(t, store)
			assertTree(t, trees(t, store, record), sampleTree)
			if exact && record.Digest != digest.String() {
				t.Errorf("digest %s, want the manifest's %s", record.Digest, digest)
			}
			opened := openImage(t, reference, store) // without the unpacker: there is none in this test
			if !reflect.DeepEqual(opened.Spec.Config, img.Config) {
				t.Errorf("config %+v, want %+v", opened.Spec.Config, img.Config)
			}
			if got := opened.Spec; len(got.Layers) != 2 || got.Digest != record.Digest ||
				got.Reference != reference || !bytes.HasPrefix(got.Passwd, []byte("www-data:")) || !bytes.HasPrefix(got.Group, []byte("www-data:")) {
				t.Errorf("opened as %+v", got)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func compress(from, to string, how func(io.Writer) io.WriteCloser) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	z := how(&out)
	if _, err := z.Write(b); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(to, out.Bytes(), 0o600)
}

// plainDockerArchive writes what an older docker save does: layers that are
// not compressed, one of them a symbolic link to another directory's.
func plainDockerArchive(img imagetest.Image, file string) error {
	built, err := img.Build()
	if err != nil {
		return err
	}
	config, err := built.RawConfigFile()
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": "abc.json", "RepoTags": []string{"plain:latest"}, "Layers": []string{"one/layer.tar", "two/layer.tar"},
	}})
	if err != nil {
		return err
	}
	return os.WriteFile(file, rawTar(
		tar.Header{Name: "one/layer.tar", Size: int64(len(img.Layers[0]))}, string(img.Layers[0]),
		tar.Header{Name: "deep/er/layer.tar", Size: int64(len(img.Layers[1]))}, string(img.Layers[1]),
		tar.Header{Name: "two/layer.tar", Typeflag: tar.TypeSymlink, Linkname: "../deep/er/layer.tar"}, "",
		tar.Header{Name: "abc.json", Size: int64(len(config))}, string(config),
		tar.Header{Name: "manifest.json", Size: int64(len(manifest))}, string(manifest),
	), 0o600)
}

// rawTar writes headers and their contents as they are, in turns.
func rawTar(pairs ...any) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(pairs); i += 2 {
		h := pairs[i].(tar.Header)
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, pairs[i+1].(string)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func TestContextEnds(t *testing.T) {
	dir := t.TempDir()
	must(t, sample().Layout(filepath.Join(dir, "layout"), ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store := filepath.Join(dir, "store")
	if _, err := Pull(ctx, "oci:"+filepath.Join(dir, "layout"), Options{Store: store}); err == nil {
		t.Fatal("it went on after its context had ended")
	}
	assertTidy(t, store)
	if _, err := image.OpenStore(store); err != nil {
		t.Errorf("the store is damaged: %v", err)
	}
}
