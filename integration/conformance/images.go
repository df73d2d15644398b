package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// images makes stand-ins for the images that runc's tests fetch otherwise: a
// busybox and a small Debian. They are plain tar files, whatever their name
// says; tar(1) looks for itself.
func (s *suite) images(ctx context.Context, _ string) error {
	data := filepath.Join(s.tests, "testdata")
	for name, pack := range map[string]func(context.Context, string) error{"busybox": s.busybox, "debian": s.debian} {
		image := filepath.Join(data, name+"-"+runtime.GOARCH+".tar.xz")
		if _, err := os.Stat(image); err == nil {
			continue
		}
		partial := filepath.Join(s.dir, name+".tar")
		if err := pack(ctx, partial); err != nil {
			return err
		}
		if err := os.Rename(partial, image); err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) busybox(ctx context.Context, to string) error {
	return busyboxArchive(ctx, filepath.Join(s.dir, "busybox"), to)
}

// busyboxArchive packs Debian's static busybox under each of its names, and
// more directories. What it packs is made in root.
func busyboxArchive(ctx context.Context, root, to string, more ...string) error {
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	for _, dir := range append([]string{"bin", "dev", "etc", "home", "root", "sbin", "usr/bin", "usr/sbin", "var"}, more...) {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return err
	}
	names, err := output(ctx, "", "/bin/busybox", "--list")
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(root, "bin/busybox"), program, 0o755),
		os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"), 0o644),
		os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\nnogroup:x:65534:\n"), 0o644),
		os.Mkdir(filepath.Join(root, "tmp"), 0o755),
		os.Chmod(filepath.Join(root, "tmp"), 0o777|os.ModeSticky),
	)
	for _, name := range strings.Fields(names) {
		if name != "busybox" && filepath.Base(name) == name {
			err = errors.Join(err, os.Symlink("busybox", filepath.Join(root, "bin", name)))
		}
	}
	if err != nil {
		return err
	}
	_, err = output(ctx, "", "tar", "-C", root, "-caf", to, ".")
	return err
}

// debian packs what every Debian system has.
func (s *suite) debian(ctx context.Context, to string) error {
	_, err := output(ctx, "", "mmdebstrap", "--variant=minbase", "bookworm", to)
	return err
}
