package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// onThread runs f in a mount namespace of its own.
func onThread(t *testing.T, f func() error) error {
	t.Helper()
	thread, err := NewThread()
	if err != nil {
		t.Fatal(err)
	}
	defer thread.Close()
	return thread.Do(f)
}

// assembleError is what Assemble says about layers, after meanwhile.
func assembleError(t *testing.T, layers []string, meanwhile func() error) error {
	t.Helper()
	ids := StartIDs(testIDs)
	defer ids.Close()
	dir := t.TempDir()
	return onThread(t, func() error {
		if err := meanwhile(); err != nil {
			return err
		}
		_, err := Assemble(spec.Rootfs{Layers: layers, ReadOnly: true, IDMap: true}, dir, ids)
		return err
	})
}

func TestLayersThatAreNotThere(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		what, want string
		meanwhile  func(layers []string) error
	}{
		{"removed", "has been removed", func(l []string) error { return os.RemoveAll(l[1]) }},
		{"all removed", "has been removed", func(l []string) error { return os.RemoveAll(filepath.Dir(l[1])) }},
		{"a link", "has changed", func(l []string) error {
			return errors.Join(os.RemoveAll(l[1]), os.Symlink(l[0], l[1]))
		}},
		{"a link inside", "has changed", func(l []string) error {
			return errors.Join(os.RemoveAll(l[1]), os.Symlink(filepath.Base(l[0]), l[1]))
		}},
		{"a file", "has changed", func(l []string) error {
			return errors.Join(os.RemoveAll(l[1]), os.WriteFile(l[1], nil, 0o644))
		}},
		{"a mount", "has changed", func(l []string) error { return unix.Mount("tmpfs", l[1], "tmpfs", 0, "") }},
		{"a link above", "has changed", func(l []string) error {
			dir := filepath.Dir(l[1])
			return errors.Join(os.Rename(dir, dir+".old"), os.Symlink(dir+".old", dir))
		}},
	} {
		layers := manyLayers(t, 3)
		err := assembleError(t, layers, func() error { return c.meanwhile(layers) })
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line with %q", c.what, err, c.want)
		}
		if hint := problem.HintOf(err); !strings.Contains(hint, "safe-run image pull") {
			t.Errorf("%s: the hint is %q", c.what, hint)
		}
	}
}

// TestReplacedLayer: what is mounted is what was looked at.
func TestReplacedLayer(t *testing.T) {
	needRoot(t)
	layers := manyLayers(t, 3)
	dir := t.TempDir()
	err := onThread(t, func() error {
		s, err := openStack(spec.Rootfs{Layers: layers})
		if err != nil {
			t.Error(err)
			return nil
		}
		defer s.Close()
		if err := errors.Join(os.Rename(layers[1], layers[1]+".old"), os.Rename(layers[2], layers[1])); err != nil {
			return err
		}
		return s.clone(dir, nil)
	})
	if err == nil || !strings.Contains(err.Error(), "another directory") {
		t.Errorf("%v, want an error: the layer is another one", err)
	}
}

// TestHostileLayers: links lead nowhere but into the merged image, and a
// redirect is not followed.
func TestHostileLayers(t *testing.T) {
	needRoot(t)
	layers := manyLayers(t, 3)
	for name, target := range map[string]string{"srv": "../../../etc", "new\nline": "home", "there": "back", "mnt": "new\nline/../opt"} {
		if err := os.Symlink(target, filepath.Join(layers[2], name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("there", filepath.Join(layers[1], "back")); err != nil {
		t.Fatal(err)
	}
	sneaky := filepath.Join(layers[2], "sneaky")
	if err := os.Mkdir(sneaky, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(sneaky, "trusted.overlay.redirect", []byte("/home/app"), 0); err != nil {
		t.Fatal(err)
	}
	plan := spec.Rootfs{
		Layers: layers, ReadOnly: true, IDMap: true, Dirs: []string{"/mnt/point"},
		Files: []spec.File{{Path: "/srv/hostname", Content: "ours", Mode: 0o644}},
	}
	bothWays(t, func(t *testing.T) {
		assembled(t, plan, func(root string) error {
			if got, err := os.ReadFile(filepath.Join(root, "usr/etc/hostname")); err != nil || string(got) != "ours" {
				t.Errorf("/usr/etc/hostname, which /srv/hostname names, is %q, %v", got, err)
			}
			if info, err := os.Lstat(filepath.Join(root, "opt/point")); err != nil || !info.IsDir() {
				t.Errorf("/opt/point, which /mnt/point names: %v, %v", info, err)
			}
			if _, err := os.Lstat(filepath.Join(root, "sneaky/own")); err == nil {
				t.Error("overlayfs followed a redirect of the image")
			}
			return nil
		})
		looping := plan
		looping.Dirs = []string{"/there/x"}
		ids := StartIDs(testIDs)
		defer ids.Close()
		err := onThread(t, func() error {
			_, err := Assemble(looping, t.TempDir(), ids)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "too many symbolic links") {
			t.Errorf("%v, want an error about the loop of links", err)
		}
	})
}

// TestAssembleLeavesNothing: no descriptor, no mount but those of the root, and
// the working directory of the thread as it was.
func TestAssembleLeavesNothing(t *testing.T) {
	needRoot(t)
	layers := manyLayers(t, 5)
	bothWays(t, func(t *testing.T) {
		ids := StartIDs(testIDs)
		defer ids.Close()
		if _, err := ids.namespace(); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		err := onThread(t, func() error {
			before, err := os.ReadDir(descriptors)
			if err != nil {
				return err
			}
			for _, writable := range []int64{0, 1 << 20} {
				plan := spec.Rootfs{Layers: layers, ReadOnly: writable == 0, WritableBytes: writable, IDMap: true}
				if _, err := Assemble(plan, filepath.Join(dir, fmt.Sprint(writable)), ids); err != nil {
					return err
				}
			}
			after, err := os.ReadDir(descriptors)
			for end := time.Now().Add(30 * time.Second); err == nil && len(after) > len(before) && time.Now().Before(end); after, err = os.ReadDir(descriptors) {
				time.Sleep(10 * time.Millisecond) // what the image was looked at through is closed beside
			}
			if err != nil || len(after) != len(before) {
				t.Errorf("%d descriptors before, %d after, %v", len(before), len(after), err)
			}
			mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
			if n := strings.Count(string(mounts), " "+dir+"/"); err != nil || n != 6 {
				t.Errorf("%d mounts, %v; want a tmpfs, an image and an overlay for each of two roots:\n%s", n, err, mounts)
			}
			here, err := os.Readlink("/proc/thread-self/cwd")
			if want, _ := os.Readlink("/proc/self/cwd"); err != nil || here != want {
				t.Errorf("the thread is in %s, %v; want %s", here, err, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestMostLayers: as many as a plan may have fit into the options of mount(2)
// too, and more are an error that says so.
func TestMostLayers(t *testing.T) {
	needRoot(t)
	layers := manyLayers(t, spec.MaxLayers)
	plan := spec.Rootfs{Layers: layers, WritableBytes: 1 << 20, IDMap: true, Dirs: []string{"/proc"}}
	bothWays(t, func(t *testing.T) {
		assembled(t, plan, func(root string) error {
			_, err := os.Lstat(filepath.Join(root, fmt.Sprintf("opt/%d/file", spec.MaxLayers-1)))
			return err
		})
	})
	f, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := overlay{lower: make([]*os.File, 501)}
	for i := range o.lower {
		o.lower[i] = f
	}
	if data, err := o.data(4096); err != nil || len(data) >= 4096 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	_, err = o.data(512)
	if err == nil || problem.HintOf(err) == "" || !strings.Contains(err.Error(), "500 layers") {
		t.Errorf("options that do not fit: %v, hint %q", err, problem.HintOf(err))
	}
}

// TestFsopenIsUsed: where the kernel has lowerdir+, nothing falls back.
func TestFsopenIsUsed(t *testing.T) {
	needRoot(t)
	layers := manyLayers(t, 2)
	used := func() bool {
		var used bool
		assembled(t, spec.Rootfs{Layers: layers, ReadOnly: true, IDMap: true}, func(string) error {
			mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
			used = strings.Contains(string(mounts), "lowerdir+="+descriptors)
			return err
		})
		return used
	}
	if !hasLayerOptions() {
		t.Skip("NOT CHECKED on this kernel: it has no lowerdir+, which came with Linux 6.8")
	}
	if !used() {
		t.Error("the overlay was made with mount(2)")
	}
	byMountData = true
	defer func() { byMountData = false }()
	if used() {
		t.Error("the tests of mount(2) use fsopen")
	}
}

// TestOverlappingLayers: overlayfs refuses a layer inside another, and what it
// says comes through.
func TestOverlappingLayers(t *testing.T) {
	needRoot(t)
	layers := manyLayers(t, 2)
	nested := []string{layers[0], filepath.Join(layers[0], "usr")}
	bothWays(t, func(t *testing.T) {
		err := assembleError(t, nested, func() error { return nil })
		if !errors.Is(err, unix.ELOOP) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want ELOOP in one line", err)
		}
	})
}
