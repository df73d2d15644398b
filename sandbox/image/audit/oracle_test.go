package audit

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	untar "github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/log"
	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// TestMergeAsContainerdDoes applies random layers to a directory too, and
// compares the trees. Whiteouts come first in each layer: where they come after
// the layer's own files, containerd removes those with them. They are in
// directories that are there: what else a whiteout makes on its way is nobody's.
func TestMergeAsContainerdDoes(t *testing.T) {
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	ctx := log.WithLogger(context.Background(), logrus.NewEntry(silent))
	random := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for n := range 150 {
		root := filepath.Join(t.TempDir(), "root")
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		s := &scan{tree: newTree(&budget{limits: bounds.Default}), contents: newContents()}
		var told []string
		refused := false
		for number := range 3 {
			headers := randomLayer(random, s.tree)
			layer := entries(headers...)
			for _, h := range headers {
				told = append(told, fmt.Sprintf("%d: %c %s %s", number+1, h.Typeflag, h.Name, h.Linkname))
			}
			if _, err := untar.Apply(ctx, root, bytes.NewReader(layer)); err != nil {
				refused = true // a file where a directory must be, a loop of links
				break
			}
			if err := s.layer(ctx, number+1, tarLayer(layer)); err != nil {
				t.Fatalf("case %d: %v\n%s", n, err, strings.Join(told, "\n"))
			}
		}
		if refused {
			continue
		}
		compared++
		if want, got := onDisk(t, root), inTree(s.tree.root, ""); !slices.Equal(got, want) {
			t.Fatalf("case %d: the tree is %v, on disk it is %v\n%s", n, got, want, strings.Join(told, "\n"))
		}
	}
	if compared < 50 {
		t.Errorf("%d cases were compared, too few", compared)
	}
}

// randomLayer makes a few entries with few names, so that they meet.
func randomLayer(random *rand.Rand, lower *tree) []tar.Header {
	name := func() string {
		parts := make([]string, 1+random.IntN(3))
		for i := range parts {
			parts[i] = string("abc"[random.IntN(3)])
		}
		return strings.Join(parts, "/")
	}
	var whiteouts, rest []tar.Header
	whiteout := func(dir, base string) {
		if n, _ := lower.lookup(dir); n != nil && n.kind == directory {
			whiteouts = append(whiteouts, tar.Header{Name: dir + "/" + base, Typeflag: tar.TypeReg})
		}
	}
	for range random.IntN(7) {
		h := tar.Header{Name: name(), Uid: os.Getuid(), Gid: os.Getgid(), Mode: 0o755, Typeflag: tar.TypeReg}
		switch random.IntN(9) {
		case 0:
			whiteout(filepath.Dir(h.Name), whiteoutPrefix+filepath.Base(h.Name))
			continue
		case 1:
			whiteout(h.Name, whiteoutOpaque)
			continue
		case 2:
			h.Typeflag, h.Linkname = tar.TypeSymlink, []string{"a", "../b", "/c", "b/c", "/", "none"}[random.IntN(6)]
		case 3, 4, 5:
			h.Typeflag = tar.TypeDir
		}
		rest = append(rest, h)
	}
	return append(whiteouts, rest...)
}

func onDisk(t *testing.T, root string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, err := filepath.Rel(root, path)
		target, _ := os.Readlink(path)
		all = append(all, rel+" "+entry.Type().String()[:1]+" "+target)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func inTree(dir *node, above string) (all []string) {
	for name, n := range dir.children {
		path := filepath.Join(above, name)
		switch n.kind {
		case directory:
			all = append(append(all, path+" d "), inTree(n, path)...)
		case symlink:
			all = append(all, path+" L "+n.target)
		default:
			all = append(all, path+" - ")
		}
	}
	slices.Sort(all)
	return all
}
