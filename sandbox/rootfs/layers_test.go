package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// manyLayers makes n layers in one directory. The lowest is a small image, and
// each above it adds a file and replaces another.
func manyLayers(t testing.TB, n int) []string {
	t.Helper()
	store := t.TempDir()
	layers := []string{filepath.Join(store, fmt.Sprintf("%064x", 0))}
	if err := os.Rename(image(t), layers[0]); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < n; i++ {
		layer := filepath.Join(store, fmt.Sprintf("%064x", i))
		if err := os.MkdirAll(filepath.Join(layer, "opt", fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"opt/same", fmt.Sprintf("opt/%d/file", i)} {
			if err := os.WriteFile(filepath.Join(layer, name), fmt.Append(nil, i), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		layers = append(layers, layer)
	}
	return layers
}

// bothWays runs check with each way to mount an overlay.
func bothWays(t *testing.T, check func(t *testing.T)) {
	t.Run("fsopen", check)
	t.Run("mount(2)", func(t *testing.T) {
		byMountData = true
		defer func() { byMountData = false }()
		check(t)
	})
}

// tree describes everything below root: owners as the container numbers them,
// and what files hold.
func tree(root string) (string, error) {
	var out strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var content []byte
		switch info.Mode().Type() {
		case 0:
			content, err = os.ReadFile(path)
		case fs.ModeSymlink:
			var target string
			target, err = os.Readlink(path)
			content = []byte(target)
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&out, "%q %s %d:%d %q\n", strings.TrimPrefix(path, root), info.Mode(), st.Uid-testIDs.First, st.Gid-testIDs.First, content)
		return err
	})
	return out.String(), err
}

func TestAssembleLayers(t *testing.T) {
	needRoot(t)
	for _, n := range []int{1, 2, 40, 200} {
		layers := manyLayers(t, n)
		store := filepath.Dir(layers[0])
		before := listing(t, store)
		plan := spec.Rootfs{
			Layers: layers, ReadOnly: true, IDMap: true, Dirs: []string{"/proc", "/opt/1/deep", "/tmp"},
			Files: []spec.File{{Path: "/etc/hosts", Content: "ours", Mode: 0o644}},
		}
		var trees []string
		bothWays(t, func(t *testing.T) {
			assembled(t, plan, func(root string) error {
				checkLayers(t, root, n)
				got, err := tree(root)
				trees = append(trees, got)
				return err
			})
		})
		if len(trees) != 2 || trees[0] != trees[1] {
			t.Errorf("%d layers: fsopen and mount(2) give different trees:\n%s", n, strings.Join(trees, "\n"))
		}
		if after := listing(t, store); after != before {
			t.Errorf("%d layers: the image was changed:\n%s", n, after)
		}
	}
}

// checkLayers looks at what manyLayers made.
func checkLayers(t *testing.T, root string, n int) {
	t.Helper()
	want := map[string]string{"usr/etc/hosts": "ours"}
	for i := 1; i < n; i++ {
		want[fmt.Sprintf("opt/%d/file", i)] = fmt.Sprint(i)
		want["opt/same"] = fmt.Sprint(n - 1)
	}
	for path, content := range want {
		if got, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(got) != content {
			t.Errorf("/%s of %d layers is %q, %v; want %q", path, n, got, err, content)
		}
	}
	info, err := os.Lstat(filepath.Join(root, "home/app/own"))
	if err != nil {
		t.Error(err)
	} else if uid := info.Sys().(*syscall.Stat_t).Uid; uid != testIDs.First+1000 {
		t.Errorf("uid 1000 of the lowest layer is %d, want %d", uid, testIDs.First+1000)
	}
	if err := os.WriteFile(filepath.Join(root, "new"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("write to the root: %v, want EROFS", err)
	}
	var st unix.Statfs_t
	const flags = unix.ST_NOSUID | unix.ST_NODEV | unix.ST_RDONLY
	if err := unix.Statfs(root, &st); err != nil || st.Flags&flags != flags || st.Type != unix.OVERLAYFS_SUPER_MAGIC {
		t.Errorf("the root is of type %#x with flags %#x, %v; want overlay with nosuid, nodev and ro", st.Type, st.Flags, err)
	}
}

func TestAssembleWritableLayers(t *testing.T) {
	needRoot(t)
	layers := manyLayers(t, 3)
	before := listing(t, filepath.Dir(layers[0]))
	plan := spec.Rootfs{Layers: layers, WritableBytes: 1 << 20, IDMap: true, Dirs: []string{"/proc"}}
	bothWays(t, func(t *testing.T) {
		assembled(t, plan, func(root string) error {
			if err := os.WriteFile(filepath.Join(root, "opt/same"), []byte("x"), 0o644); err != nil {
				t.Error(err)
			}
			if err := os.RemoveAll(filepath.Join(root, "opt/1")); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(filepath.Join(root, "big"), make([]byte, 4<<20), 0o644); !errors.Is(err, unix.ENOSPC) {
				t.Errorf("4 MiB into a root of 1 MiB: %v, want ENOSPC", err)
			}
			return nil
		})
	})
	if after := listing(t, filepath.Dir(layers[0])); after != before {
		t.Errorf("the image was changed:\n%s", after)
	}
}

// TestLayersFromTwoStores: each directory that layers lie in is mounted once,
// whatever the order of the layers.
func TestLayersFromTwoStores(t *testing.T) {
	needRoot(t)
	one, other := manyLayers(t, 2), manyLayers(t, 3)
	plan := spec.Rootfs{Layers: []string{one[0], other[1], one[1], other[2]}, ReadOnly: true, IDMap: true}
	assembled(t, plan, func(root string) error {
		if got, err := os.ReadFile(filepath.Join(root, "opt/same")); err != nil || string(got) != "2" {
			t.Errorf("/opt/same is %q, %v; want the topmost layer's", got, err)
		}
		if got, err := os.ReadFile(filepath.Join(root, "opt/1/file")); err != nil || string(got) != "1" {
			t.Errorf("/opt/1/file is %q, %v", got, err)
		}
		return nil
	})
}

// TestWhiteouts: what an upper layer removes is gone, and a mount point is made
// where it was.
func TestWhiteouts(t *testing.T) {
	needRoot(t)
	layers := manyLayers(t, 2)
	for _, name := range []string{"home", "usr/etc/hosts", "proc"} {
		at := filepath.Join(layers[1], name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), unix.Mknod(at, unix.S_IFCHR, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		what string
		plan spec.Rootfs
	}{
		{"the upper of two layers", spec.Rootfs{Layers: layers}},
		{"the only layer", spec.Rootfs{Layers: layers[1:]}},
		{"a directory", spec.Rootfs{Source: layers[1]}},
	} {
		c.plan.ReadOnly, c.plan.IDMap, c.plan.Dirs = true, true, []string{"/proc", "/home/app"}
		bothWays(t, func(t *testing.T) {
			assembled(t, c.plan, func(root string) error {
				for _, gone := range []string{"usr/etc/hosts", "home/app/own"} {
					if _, err := os.Lstat(filepath.Join(root, gone)); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s: /%s: %v, want it removed", c.what, gone, err)
					}
				}
				for _, made := range []string{"proc", "home/app"} {
					if info, err := os.Lstat(filepath.Join(root, made)); err != nil || !info.IsDir() {
						t.Errorf("%s: /%s: %v, %v; want a directory", c.what, made, info, err)
					}
				}
				return nil
			})
		})
	}
}

// TestLook: what an image has at a path, links and whiteouts in it considered,
// and never anything of the host.
func TestLook(t *testing.T) {
	needRoot(t)
	bothWays(t, func(t *testing.T) {
		layers := manyLayers(t, 3)
		lowest, topmost := layers[0], layers[2]
		err := errors.Join(
			os.MkdirAll(filepath.Join(lowest, "srv/data"), 0o755),
			os.WriteFile(filepath.Join(lowest, "srv/data/kept"), nil, 0o600),
			os.WriteFile(filepath.Join(lowest, "srv/data/hidden"), nil, 0o600),
			os.MkdirAll(filepath.Join(topmost, "srv/data"), 0o755),
			os.WriteFile(filepath.Join(topmost, "srv/data/added"), nil, 0o600),
			unix.Mknod(filepath.Join(topmost, "srv/data/hidden"), unix.S_IFCHR, 0),
			os.Symlink("/srv/data", filepath.Join(topmost, "linked")),
			os.Symlink("../../../../../../etc", filepath.Join(topmost, "up")),
			os.Symlink("round", filepath.Join(topmost, "round")),
		)
		if err != nil {
			t.Fatal(err)
		}
		thread, err := NewThread()
		if err != nil {
			t.Fatal(err)
		}
		defer thread.Close()
		for path, want := range map[string]string{
			"/srv/data": "added kept", "/linked": "added kept", "/srv/data/kept": "none", "/srv/data/kept/x": "none",
			"/nowhere": "none", "/up/shadow": "none", "/round": "error",
		} {
			got := "none"
			err := thread.Do(func() error {
				root, err := Look(spec.Rootfs{Layers: layers}, filepath.Join(t.TempDir(), "rootfs"), path)
				if err != nil || root == nil {
					return err
				}
				defer root.Close()
				entries, err := fs.ReadDir(root.FS(), ".")
				var names []string
				for _, e := range entries {
					names = append(names, e.Name())
				}
				got = strings.Join(names, " ")
				return err
			})
			if err != nil {
				got = "error"
			}
			if got != want {
				t.Errorf("%s: %q, %v; want %q", path, got, err, want)
			}
		}
		if root, err := Look(spec.Rootfs{}, t.TempDir(), "/data"); root != nil || err != nil {
			t.Errorf("without an image: %v, %v", root, err)
		}
	})
}
