package unpack

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/unpack/ociconfig"
)

// FuzzUnpackLayer applies any bytes as a layer. Nothing may appear outside of
// the root, and nothing in it that a container must not have.
func FuzzUnpackLayer(f *testing.F) {
	for _, l := range sample().Layers {
		f.Add(l)
	}
	f.Add(rawTar(tar.Header{Name: "../../x"}, ""))
	f.Add(rawTar(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../.."}, "", tar.Header{Name: "l/x"}, ""))
	f.Add(rawTar(tar.Header{Name: "d/f"}, "", tar.Header{Name: "d/" + whiteoutOpaque}, "", tar.Header{Name: ".wh.d"}, ""))
	f.Add(rawTar(tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "l/../../x"}, ""))
	f.Add(sparseTar(1 << 50))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		root := filepath.Join(dir, "rootfs")
		must(t, os.Mkdir(root, 0o755))
		tree := &tree{root: root, report: func(int, int64) {}}
		tree.budget.limits = Limits{Entries: 200, Bytes: 1 << 20, Names: 1 << 18, Layers: 1}
		h := hashBytes(content)
		_ = tree.apply(t.Context(), 0, layer{digest: h, diffID: h, size: int64(len(content)),
			open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }})
		assertContained(t, dir, root)
	})
}

// FuzzUnpackEntries applies two layers of entries: in each line of lower and
// upper a type, a name and what it links to. Mutated bytes of a tar seldom have
// a right checksum; mutated lines always make a tar.
func FuzzUnpackEntries(f *testing.F) {
	f.Add("2 a ..\n2 b a/..\n5 d", "0 a/x\n0 b/y\n1 h b/../../etc/passwd\n0 d/.wh..wh..opq\n0 .wh.b")
	f.Add("5 a/b/c\n0 a/b/c/f", "2 a/b /\n0 a/b/new\n0 a/.wh.b\n6 a/b\n3 a/b")
	f.Fuzz(func(t *testing.T, lower, upper string) {
		dir := t.TempDir()
		root := filepath.Join(dir, "rootfs")
		must(t, os.Mkdir(root, 0o755))
		tree := &tree{root: root, report: func(int, int64) {}}
		tree.budget.limits = Limits{Entries: 200, Bytes: 1 << 20, Names: 1 << 18, Layers: 2}
		for _, lines := range []string{lower, upper} {
			if tree.extract(t.Context(), bytes.NewReader(entriesTar(lines))) != nil {
				break
			}
		}
		assertContained(t, dir, root)
	})
}

// entriesTar makes a tar of lines.
func entriesTar(lines string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for line := range strings.Lines(lines) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(part) < 2 || part[0] == "" {
			continue
		}
		h := tar.Header{Typeflag: part[0][0], Name: part[1], Mode: 0o6755, Uid: len(line), Format: tar.FormatPAX}
		if len(part) == 3 {
			h.Linkname = part[2]
		}
		_ = w.WriteHeader(&h) // what cannot be written is left out
	}
	w.Close()
	return out.Bytes()
}

func assertContained(t *testing.T, dir, root string) {
	t.Helper()
	around, err := os.ReadDir(dir)
	must(t, err)
	if len(around) != 1 {
		t.Fatalf("%d files beside the root", len(around)-1)
	}
	entries := 0
	must(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		entries++
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeDevice|fs.ModeCharDevice) != 0 || st.Uid > maxID || st.Gid > maxID {
			t.Errorf("%s is %v and belongs to %d:%d", path, info.Mode(), st.Uid, st.Gid)
		}
		return nil
	}))
	if entries > 2*200+1 {
		t.Errorf("%d files from a budget of 200", entries)
	}
}

// FuzzImageConfig reads any bytes as an image config. What comes out has one
// way to be written and survives a record.
func FuzzImageConfig(f *testing.F) {
	c := config(runtime.GOARCH)
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
		record := image.NewRecord(image.Reference{Transport: image.OCI, Path: "/x"}, nil, hashBytes(raw).String(), got)
		b, err := json.Marshal(record)
		must(t, err)
		if _, err := image.DecodeRecord(b); err != nil {
			t.Errorf("its record cannot be read: %v", err)
		}
	})
}

// FuzzIndex reads any bytes as an index.json and looks for an image in it.
func FuzzIndex(f *testing.F) {
	w := newWriter(f.TempDir())
	must(f, w.index(calledAs(forThe(w.tiny(runtime.GOARCH, "a"), "linux", runtime.GOARCH, ""), "v1"), w.nested(w.tiny("arm64", "b"))))
	seed, err := os.ReadFile(filepath.Join(w.dir, "index.json"))
	must(f, err)
	f.Add(seed, "v1")
	f.Add([]byte(`{"manifests":[{"digest":"sha256:"},null]}`), "")
	f.Fuzz(func(t *testing.T, raw []byte, tag string) {
		root, err := os.OpenRoot(w.dir)
		must(t, err)
		defer root.Close()
		l := &layout{blobs: folder{root}}
		if decode(raw, &l.index, "index") != nil {
			return
		}
		c, err := l.choose(tag, runtime.GOARCH)
		if err == nil && !image.ValidDigest(c.digest) {
			t.Errorf("digest %q", c.digest)
		}
	})
}

// FuzzArchive reads any bytes as an archive of blobs, in both forms.
func FuzzArchive(f *testing.F) {
	dir := f.TempDir()
	must(f, sample().OCIArchive(filepath.Join(dir, "oci"), "a"))
	must(f, sample().DockerArchive(filepath.Join(dir, "docker"), "a:1"))
	must(f, plainDockerArchive(sample(), filepath.Join(dir, "plain")))
	for _, name := range []string{"oci", "docker", "plain"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		must(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, "fuzzed")
		must(t, os.WriteFile(path, content, 0o600))
		lock, err := os.Open(dir)
		must(t, err)
		w := &workspace{dir: t.TempDir(), lock: lock}
		defer w.remove()
		limits := Limits{Entries: 100, Bytes: 1 << 20, Names: 1 << 18, Layers: 4}
		for _, transport := range []string{image.OCIArchive, image.DockerArchive} {
			src, err := open(t.Context(), image.Reference{Transport: transport, Path: path}, w, limits)
			if err != nil {
				continue
			}
			if c, err := src.choose("", runtime.GOARCH); err == nil && !image.ValidDigest(c.digest) {
				t.Errorf("digest %q", c.digest)
			}
			must(t, src.close())
		}
	})
}
