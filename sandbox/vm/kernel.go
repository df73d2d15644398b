// Package vm starts virtual machines in which safe-run is tried on other kernels:
// a kernel of Debian's, a first root made here, a disk with what is to be run, and
// nothing else. What runs in the machine is a command; what it writes comes back.
package vm

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Kernel is one to start.
type Kernel struct {
	// Release is uname's, or the file's name where it is not known.
	Release string `json:"release"`
	// Image is the file, Modules the directory of its modules.
	Image   string `json:"image"`
	Modules string `json:"modules"`
}

// hintKernels says how to come by one.
const hintKernels = "make vm-kernels fetches two of Debian's; or install linux-image-cloud-amd64, or name a file that has its modules below /lib/modules"

// cache is where make vm-kernels puts kernels.
func cache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "safe-run", "kernels")
}

// Kernels lists those that there are, the cached ones in front.
func Kernels() []Kernel {
	var all []Kernel
	if dir := cache(); dir != "" {
		entries, _ := os.ReadDir(dir) // a directory that is not there has none
		for _, e := range entries {
			k := Kernel{Release: e.Name(), Image: filepath.Join(dir, e.Name(), "vmlinux"), Modules: filepath.Join(dir, e.Name(), "modules")}
			if !exists(k.Image) { // one that unpacks itself, which takes an emulated processor seconds
				k.Image = filepath.Join(dir, e.Name(), "vmlinuz")
			}
			if k.check() == nil {
				all = append(all, k)
			}
		}
	}
	images, _ := filepath.Glob("/boot/vmlinuz-*") // the pattern is well formed
	for _, image := range images {
		release := strings.TrimPrefix(filepath.Base(image), "vmlinuz-")
		k := Kernel{Release: release, Image: image, Modules: filepath.Join("/lib/modules", release)}
		if k.check() == nil && !slices.ContainsFunc(all, func(o Kernel) bool { return o.Release == release }) {
			all = append(all, k)
		}
	}
	return all
}

// check says what of a kernel is missing.
func (k Kernel) check() error {
	info, err := os.Stat(k.Image)
	if err == nil && !info.Mode().IsRegular() {
		return problem.New(hintKernels, "%s is no kernel: it is not a file", k.Image)
	}
	if err == nil {
		_, err = os.Stat(k.Modules)
	}
	return err
}

// Find finds a kernel by the beginning of its release, or by its file. Without a
// name it is this host's own, or else the first that there is.
func Find(name string) (Kernel, error) {
	all := Kernels()
	if strings.Contains(name, "/") {
		return ofFile(name, all)
	}
	if name == "" {
		own := release()
		for _, k := range all {
			if k.Release == own {
				return k, nil
			}
		}
	}
	for _, k := range all {
		if begins(k.Release, name) {
			return k, nil
		}
	}
	if len(all) == 0 {
		return Kernel{}, problem.New(hintKernels, "there is no kernel to start a machine with")
	}
	var names []string
	for _, k := range all {
		names = append(names, k.Release)
	}
	return Kernel{}, problem.New("there are "+strings.Join(names, ", "), "there is no kernel %q", name)
}

// begins says whether a release begins with a name, number by number: 6.1 is no
// beginning of 6.12.
func begins(release, name string) bool {
	rest, is := strings.CutPrefix(release, name)
	return is && (rest == "" || !digit(rest[0]) || name == "" || !digit(name[len(name)-1]))
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// ofFile is the kernel in a file; its modules are those of its release.
func ofFile(path string, all []Kernel) (Kernel, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Kernel{}, err
	}
	for _, k := range all {
		// In the cache one kernel is two files.
		if k.Image == path || filepath.Dir(k.Image) == filepath.Dir(path) && filepath.Dir(filepath.Dir(path)) == cache() && exists(path) {
			k.Image = path
			return k, nil
		}
	}
	release := strings.TrimPrefix(filepath.Base(path), "vmlinuz-")
	k := Kernel{Release: release, Image: path, Modules: filepath.Join("/lib/modules", release)}
	if beside := filepath.Join(filepath.Dir(path), "modules"); dirExists(beside) {
		k.Modules = beside
	}
	err = k.check()
	if errors.Is(err, fs.ErrNotExist) {
		return k, problem.New(hintKernels, "kernel %s: %w", path, err)
	}
	return k, err
}

func dirExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// release is this host's.
func release() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}
