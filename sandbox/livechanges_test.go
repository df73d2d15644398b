package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenMounted: of two views of one place the one is taken in which something
// is mounted there, and never an empty directory of the host's.
func TestOpenMounted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED without root: mounts")
	}
	at := filepath.Join(t.TempDir(), "rootfs")
	if err := os.MkdirAll(filepath.Join(at, "top"), 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	relative := strings.TrimPrefix(at, "/")
	if dir, err := openMounted(root, relative, "top"); !errors.Is(err, errNotMounted) {
		t.Errorf("of the host's own directory: %v, %v", dir, err)
	}
	seen := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // its mount namespace ends with it
		seen <- func() error {
			err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("tmpfs", at, "tmpfs", 0, ""))
			if err != nil {
				return err
			}
			top := filepath.Join(at, "top")
			// A root without an image is a mount of itself.
			err = errors.Join(os.Mkdir(top, 0o755), os.WriteFile(filepath.Join(top, "written"), nil, 0o600), unix.Mount(top, top, "", unix.MS_BIND, ""))
			if err != nil {
				return err
			}
			own, err := unix.Open("/proc/thread-self/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(own)
			dir, err := openMounted(own, relative, "top")
			if err != nil {
				return err
			}
			defer dir.Close()
			if names, err := dir.Readdirnames(-1); err != nil || len(names) != 1 || names[0] != "written" {
				return errors.Join(err, errors.New("in it: "+strings.Join(names, " ")))
			}
			return nil
		}()
	}()
	if err := <-seen; err != nil {
		t.Error(err)
	}
}
