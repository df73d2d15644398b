package unpack

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/view"
)

// FuzzUnpackLayer applies any bytes as a layer. Nothing may appear outside of
// the root, and nothing in it that a container must not have.
func FuzzUnpackLayer(f *testing.F) {
	f.Add(rawTar(tar.Header{Name: "d", Typeflag: tar.TypeDir, Mode: 0o755}, "", tar.Header{Name: "d/f", Size: 1}, "x",
		tar.Header{Name: "d/h", Typeflag: tar.TypeLink, Linkname: "d/f"}, "", tar.Header{Name: "p", Typeflag: tar.TypeFifo}, ""))
	f.Add(rawTar(tar.Header{Name: "../../x"}, ""))
	f.Add(rawTar(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../.."}, "", tar.Header{Name: "l/x"}, ""))
	f.Add(rawTar(tar.Header{Name: "d/f"}, "", tar.Header{Name: "d/" + whiteoutOpaque}, "", tar.Header{Name: ".wh.d"}, ""))
	f.Add(rawTar(tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "l/../../x"}, ""))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		root := filepath.Join(dir, "rootfs")
		must(t, os.Mkdir(root, 0o755))
		sum := sha256.Sum256(content)
		diffID := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
		_ = NewBudget(tight).Apply(t.Context(), Layer{Blob: bytes.NewReader(content), DiffID: diffID, Root: root})
		assertContained(t, dir, "rootfs")
	})
}

// tight is a budget that a fuzzed layer reaches.
var tight = bounds.Limits{Entries: 200, Bytes: 1 << 20, Names: 1 << 18, Layers: 2}

// FuzzUnpackEntries applies two layers of entries: in each line of lower and
// upper a type, a name and what it links to. Mutated bytes of a tar seldom have
// a right checksum; mutated lines always make a tar.
func FuzzUnpackEntries(f *testing.F) {
	f.Add("2 a ..\n2 b a/..\n5 d", "0 a/x\n0 b/y\n1 h b/../../etc/passwd\n0 d/.wh..wh..opq\n0 .wh.b")
	f.Add("5 a/b/c\n0 a/b/c/f", "2 a/b /\n0 a/b/new\n0 a/.wh.b\n6 a/b\n3 a/b")
	f.Fuzz(func(t *testing.T, lower, upper string) {
		dir := t.TempDir()
		budget := NewBudget(tight)
		var below Below
		for i, lines := range []string{lower, upper} {
			root := filepath.Join(dir, strconv.Itoa(i))
			must(t, os.Mkdir(root, 0o755))
			if budget.extract(t.Context(), bytes.NewReader(entriesTar(lines)), Layer{Root: root, Below: below}) != nil {
				break
			}
			merged, err := view.Open([]string{root})
			must(t, err)
			defer merged.Close()
			below = merged
		}
		assertContained(t, dir, "0", "1")
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

// assertContained checks that dir has the roots and nothing else, and that
// nothing in them is what a container must not have.
func assertContained(t *testing.T, dir string, roots ...string) {
	t.Helper()
	around, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range around {
		if !slices.Contains(roots, e.Name()) {
			t.Fatalf("%s is beside the roots", e.Name())
		}
	}
	entries := 0
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		entries++
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		hides := info.Mode().Type() == fs.ModeDevice|fs.ModeCharDevice && st.Rdev == 0
		if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeDevice|fs.ModeCharDevice) != 0 && !hides || st.Uid > bounds.ID || st.Gid > bounds.ID {
			t.Errorf("%s is %v and belongs to %d:%d", path, info.Mode(), st.Uid, st.Gid)
		}
		return nil
	}))
	if entries > 2*200+3 {
		t.Errorf("%d files from a budget of 200", entries)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
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
