package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/safe-run/safe-run/integration/vm/looks"
	"github.com/safe-run/safe-run/sandbox/vm"
)

// diskModules are what it takes to mount the disk. Everything else is loaded by
// the kernel on demand from the disk, as on any Debian.
var diskModules = []string{"virtio_pci", "virtio_blk", "virtio_rng"}

// tags are the Makefile's: the suite compiles filters with libseccomp.
const tags = "netgo osusergo seccomp containers_image_openpgp exclude_graphdriver_btrfs"

// pack writes the initramfs: the first program, modules for the disk, and below
// payload/ what goes onto the disk.
func (j job) pack(r root, initrd string) error {
	payload, err := j.compile()
	if err != nil {
		return err
	}
	paths, err := vm.ModulePaths(r.modules)
	if err != nil {
		return err
	}
	modules, err := vm.Order(paths, diskModules, vm.Dependencies)
	if err != nil {
		return err
	}
	file, err := os.Create(initrd)
	if err != nil {
		return err
	}
	defer file.Close()
	// Unpacking is emulated too: what costs the guest time is the size, and
	// what costs us is the level.
	zip, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return err
	}
	a := vm.Archive{Out: zip}
	for _, dir := range []string{"dev", "proc", "modules", "payload", "new"} {
		a.Entry(dir, vm.ModeDir, nil)
	}
	add := func(name, path string) error {
		data, err := os.ReadFile(path)
		a.Entry(name, vm.ModeFile, data)
		return err
	}
	for i, path := range modules {
		if err := add(fmt.Sprintf("modules/%02d-%s", i, filepath.Base(path)), path); err != nil {
			return err
		}
	}
	for name, path := range payload {
		if err := add(name, path); err != nil {
			return err
		}
	}
	return errors.Join(a.Close(), zip.Close(), file.Close())
}

// compile builds what runs in the machines, and gives by its place in the
// initramfs each file that goes there.
func (j job) compile() (map[string]string, error) {
	payload := map[string]string{
		"payload/safe-run":       filepath.Join(j.bin, "safe-run"),
		"payload/safe-run-image": filepath.Join(j.bin, "safe-run-image"),
		"payload/safe-run-oci":   filepath.Join(j.bin, "safe-run-oci"),
	}
	withC := []string{"payload/rootfs", "payload/suite"}
	builds := map[string][]string{
		"init":           {"build", "-trimpath", "-ldflags=-s -w", "./integration/vm/early"},
		"payload/guest":  {"build", "-trimpath", "-ldflags=-s -w", "./integration/vm/guest"},
		"payload/peek":   {"build", "-trimpath", "-ldflags=-s -w", "./integration/peek"},
		"payload/suite":  {"test", "-c", "-trimpath", "-tags", tags, `-ldflags=-s -w -extldflags "-static"`, "./integration"},
		"payload/rootfs": {"test", "-c", "-trimpath", `-ldflags=-s -w -extldflags "-static"`, "./sandbox/rootfs"},
	}
	for name, args := range builds {
		path := filepath.Join(j.dir, filepath.Base(name))
		build := exec.Command("go", append([]string{args[0], "-o", path}, args[1:]...)...)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if slices.Contains(withC, name) {
			build.Env = append(os.Environ(), "CGO_ENABLED=1")
		}
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", build, err, out)
		}
		payload[name] = path
	}
	// A unit of systemd's with what a container under the profile has; the machine
	// has no program that exports.
	unit, wrong := filepath.Join(j.dir, "exported.service"), bytes.Buffer{}
	export := exec.Command(filepath.Join(j.bin, "safe-run"), "export", "systemd", "--profile", "default", "--name", "vm-exported",
		"--output", unit, "--command", "/opt/vm/peek", "--", "each", looks.All)
	export.Stderr = &wrong
	if err := export.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", export, err, wrong.String())
	}
	payload["payload/exported.service"] = unit
	return payload, nil
}
