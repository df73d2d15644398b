package livediff

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image/view"
)

// overlaid runs change in an overlay on an image, and gives what Find says.
func overlaid(t *testing.T, image map[string]string, change func(root string) error) []Change {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED without root: overlays")
	}
	dir := t.TempDir()
	for _, name := range []string{"lower", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	lower := filepath.Join(dir, "lower")
	for name, content := range image {
		path := filepath.Join(lower, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if strings.HasSuffix(name, "/") {
			err = errors.Join(err, os.MkdirAll(path, 0o755))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(content), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var changes []Change
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // its mount namespace ends with it
		ended <- func() (err error) {
			if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
				return err
			}
			changes, err = mounted(dir, lower, change)
			return err
		}()
	}()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return changes
}

func mounted(dir, lower string, change func(root string) error) ([]Change, error) {
	tmp := filepath.Join(dir, "tmp")
	if err := unix.Mount("tmpfs", tmp, "tmpfs", 0, ""); err != nil {
		return nil, err
	}
	for _, name := range []string{"upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(tmp, name), 0o755); err != nil {
			return nil, err
		}
	}
	merged := filepath.Join(tmp, "merged")
	options := "lowerdir=" + lower + ",upperdir=" + tmp + "/upper,workdir=" + tmp + "/work,redirect_dir=nofollow,metacopy=off,index=off"
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return nil, err
	}
	if err := change(merged); err != nil {
		return nil, err
	}
	image, err := view.Open([]string{lower})
	if err != nil {
		return nil, err
	}
	defer image.Close()
	upper, err := os.Open(filepath.Join(tmp, "upper"))
	if err != nil {
		return nil, err
	}
	defer upper.Close()
	layer := Layer{
		Upper: upper, Image: image, Made: map[string]bool{"etc/hosts": true, "etc": false, "mnt": true},
		Number: func(uid, gid uint32) (uint32, uint32) { return uid, gid },
	}
	return layer.Find(context.Background())
}

// TestFind: every way to change a tree, as docker diff would say it.
func TestFind(t *testing.T) {
	image := map[string]string{"etc/a": "1", "etc/sub/b": "2", "opt/x/y": "3", "opt/x/z": "4", "opt/keep": "5", "var/log/l": "6", "type": "t", "dir/in": "7"}
	for _, c := range []struct {
		what   string
		change func(root string) error
		want   string
	}{
		{"nothing", func(string) error { return nil }, ""},
		{"opened and not written", func(r string) error {
			f, err := os.OpenFile(r+"/etc/a", os.O_RDWR, 0)
			return errors.Join(err, f.Close())
		}, ""},
		{"written", func(r string) error { return os.WriteFile(r+"/etc/sub/b", []byte("new"), 0o644) }, "C /etc, C /etc/sub, C /etc/sub/b"},
		{"mode", func(r string) error { return os.Chmod(r+"/etc/a", 0o600) }, "C /etc, C /etc/a"},
		{"owner", func(r string) error { return os.Chown(r+"/etc/a", 5, 5) }, "C /etc, C /etc/a"},
		{"added", func(r string) error {
			return errors.Join(os.MkdirAll(r+"/new/er", 0o755), os.WriteFile(r+"/new/er/f", nil, 0o644))
		}, "A /new, A /new/er, A /new/er/f"},
		{"removed", func(r string) error { return os.Remove(r + "/etc/a") }, "C /etc, D /etc/a"},
		{"a tree removed", func(r string) error { return os.RemoveAll(r + "/opt/x") }, "C /opt, D /opt/x"},
		{"made again", func(r string) error {
			return errors.Join(os.RemoveAll(r+"/opt/x"), os.Mkdir(r+"/opt/x", 0o755), os.WriteFile(r+"/opt/x/z", []byte("other"), 0o644), os.WriteFile(r+"/opt/x/n", nil, 0o644))
		}, "C /opt, C /opt/x, A /opt/x/n, D /opt/x/y, C /opt/x/z"},
		{"renamed", func(r string) error { return os.Rename(r+"/etc/a", r+"/etc/c") }, "C /etc, D /etc/a, A /etc/c"},
		{"another type", func(r string) error { return errors.Join(os.Remove(r+"/type"), os.MkdirAll(r+"/type/d", 0o755)) }, "C /type, A /type/d"},
		{"a file for a directory", func(r string) error {
			return errors.Join(os.RemoveAll(r+"/dir"), os.WriteFile(r+"/dir", nil, 0o644))
		}, "C /dir"},
		{"added and removed", func(r string) error { return errors.Join(os.WriteFile(r+"/t", nil, 0o644), os.Remove(r+"/t")) }, ""},
		{"what was made", func(r string) error {
			return errors.Join(os.WriteFile(r+"/etc/hosts", []byte("h"), 0o644), os.Mkdir(r+"/mnt", 0o755))
		}, "C /etc"},
		{"link and device", func(r string) error {
			return errors.Join(os.Symlink("/", r+"/l"), unix.Mkfifo(r+"/p", 0o644), os.WriteFile(r+"/a\nb", nil, 0o644))
		}, "A /a\nb, A /l, A /p"},
	} {
		var got []string
		for _, change := range overlaid(t, image, c.change) {
			got = append(got, string(change.Kind)+" "+change.Path)
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: %s\nwant %s", c.what, text, c.want)
		}
	}
}
