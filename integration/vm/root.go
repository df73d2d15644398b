package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// root is a Debian system on a disk, and the kernel to start it with.
type root struct {
	name    string // of the kernel
	kernel  string // file
	disk    string // file with an ext4 file system
	modules string // directory of the kernel's modules
}

// packages are what the checks need beside the smallest Debian there is.
var packages = []string{
	"busybox-static", "dbus", "dbus-user-session", "gcc", "iproute2", "kmod",
	"libc6-dev", "libpam-systemd", "nftables", "podman", "runc", "systemd", "systemd-sysv",
}

// unpackKernel puts the cloud kernel into the root $1 without installing it:
// its package would make an initramfs, which takes longer than all the rest.
// /lib is a link to usr/lib, which dpkg-deb -x would replace.
const unpackKernel = `
set -eu
cd "$1/tmp"
package=$(chroot "$1" apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
chroot "$1" sh -c "cd /tmp && apt-get -qq -o APT::Sandbox::User=root download $package"
dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -C "$1" --keep-directory-symlink
rm -f "$package"_*.deb
chroot "$1" /sbin/depmod "$(ls "$1/lib/modules")"
`

// size of the disk; it is sparse.
const size = "2G"

// debian gives the root from the cache, or makes it. It has the kernel and the
// packages of the day when it was made; remove it to have newer ones.
func debian() (root, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return root{}, err
	}
	recipe := sha256.Sum256([]byte(strings.Join(packages, " ") + unpackKernel + size))
	dir := filepath.Join(cache, "safe-run", fmt.Sprintf("vm-bookworm-%x", recipe[:6]))
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		fmt.Println("making a Debian 12 in", dir)
		if err := makeDebian(dir); err != nil {
			return root{}, err
		}
	} else if err != nil {
		return root{}, err
	}
	kernels, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return root{}, fmt.Errorf("%s has not one kernel (%v); remove it to make it anew", dir, err)
	}
	release := strings.TrimPrefix(filepath.Base(kernels[0]), "vmlinuz-")
	return root{
		name: "Debian 12, Linux " + release, kernel: kernels[0],
		disk: filepath.Join(dir, "disk"), modules: filepath.Join(dir, "modules", release),
	}, nil
}

// makeDebian makes everything beside dir and moves it there at last, so that
// what is there is whole.
func makeDebian(dir string) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "making")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	hook := filepath.Join(work, "hook")
	if err := os.WriteFile(hook, []byte("#!/bin/sh"+unpackKernel), 0o755); err != nil {
		return err
	}
	tree, whole := filepath.Join(work, "tree"), filepath.Join(work, "whole")
	steps := [][]string{
		{"mmdebstrap", "--quiet", "--variant=minbase", "--include=" + strings.Join(packages, ","), "--customize-hook=" + hook, "bookworm", tree},
		{"mkdir", whole},
		{"cp", "-a", filepath.Join(tree, "boot"), whole},
		{"cp", "-a", filepath.Join(tree, "lib/modules"), whole},
		{"mke2fs", "-q", "-t", "ext4", "-d", tree, filepath.Join(whole, "disk"), size},
		{"mv", "-T", whole, dir},
	}
	for _, step := range steps {
		if err := command(step[0], step[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// command runs a program that has something to say only when it fails.
func command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out.String())
	}
	return nil
}
