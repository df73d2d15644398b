package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// skeleton fills the top layer over image, if there is one: the plan's files
// and whatever mount points the image lacks, owned by the container's root. A
// directory that the image has keeps the image's mode and owner, because
// overlayfs shows those of the topmost layer.
func skeleton(plan spec.Rootfs, top string, image *os.Root, ids spec.IDRange) error {
	b := builder{image: image, ids: ids}
	var err error
	if b.top, err = os.OpenRoot(top); err != nil {
		return err
	}
	defer b.top.Close()
	if err := b.like("."); err != nil {
		return err
	}
	for _, dir := range plan.Dirs {
		if err := b.mountpoint(clean(dir), true); err != nil {
			return err
		}
	}
	for _, file := range plan.FileMounts {
		if err := b.mountpoint(clean(file), false); err != nil {
			return err
		}
	}
	for _, file := range plan.Files {
		if err := b.file(clean(file.Path), file); err != nil {
			return err
		}
	}
	return nil
}

// builder writes the top layer through os.Root, which never leaves its
// directory whatever links are in the way.
type builder struct {
	top, image *os.Root
	ids        spec.IDRange
}

// clean gives a path relative to the root.
func clean(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// mountpoint makes p when the image has nothing there. What the image has is
// left to libcontainer, which resolves links inside the root the same way.
func (b *builder) mountpoint(p string, dir bool) error {
	if b.image != nil {
		if info, err := b.image.Lstat(p); err == nil && !whiteout(info) {
			return nil
		}
		parent, err := resolve(b.image, path.Dir(p))
		if err != nil {
			return err
		}
		p = path.Join(parent, path.Base(p))
	}
	if err := b.parents(p); err != nil {
		return err
	}
	if dir {
		return b.dir(p)
	}
	return b.write(p, nil, 0o644)
}

// whiteout says whether overlayfs takes a file for the mark that there is none.
func whiteout(info fs.FileInfo) bool {
	return info.Mode()&fs.ModeCharDevice != 0 && info.Sys().(*syscall.Stat_t).Rdev == 0
}

// parents makes the directories above p, with the image's mode and owner.
func (b *builder) parents(p string) error {
	dir := path.Dir(p)
	if dir == "." {
		return nil
	}
	if _, err := b.top.Lstat(dir); err == nil {
		return nil
	}
	if err := b.parents(dir); err != nil {
		return err
	}
	return b.dir(dir)
}

// dir makes one directory of the top layer.
func (b *builder) dir(p string) error {
	if err := b.top.Mkdir(p, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return b.like(p)
}

// like gives p of the top layer the mode and owner that the image's p has, or
// 0755 and the container's root.
func (b *builder) like(p string) error {
	mode, uid, gid := fs.FileMode(0o755), uint32(0), uint32(0)
	if b.image != nil {
		if info, err := b.image.Lstat(p); err == nil && info.IsDir() {
			stat := info.Sys().(*syscall.Stat_t)
			mode, uid, gid = info.Mode().Perm()|info.Mode()&fs.ModeSticky, stat.Uid, stat.Gid
		}
	}
	if err := b.own(p, uid, gid); err != nil {
		return err
	}
	return b.top.Chmod(p, mode)
}

// own sets the owner by an id of the container. Ids outside of its range
// become the container's root, as they have no name inside.
func (b *builder) own(p string, uid, gid uint32) error {
	if uid >= b.ids.Count {
		uid = 0
	}
	if gid >= b.ids.Count {
		gid = 0
	}
	return b.top.Lchown(p, int(b.ids.First+uid), int(b.ids.First+gid))
}

// file writes one of the plan's files, hiding what the image has there.
func (b *builder) file(p string, f spec.File) error {
	if b.image != nil {
		// A link in the image's path (/etc -> usr/etc) is followed inside the
		// image, so that the file ends up where programs look for it.
		dir, err := resolve(b.image, path.Dir(p))
		if err != nil {
			return err
		}
		p = path.Join(dir, path.Base(p))
	}
	if err := b.parents(p); err != nil {
		return err
	}
	return b.write(p, []byte(f.Content), fs.FileMode(f.Mode))
}

func (b *builder) write(p string, content []byte, mode fs.FileMode) error {
	f, err := b.top.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Chown(int(b.ids.First), int(b.ids.First)); err != nil {
		return err
	}
	return f.Chmod(mode.Perm())
}

// maxLinks is the kernel's own bound on links in one path (path_resolution(7)).
const maxLinks = 40

// resolve follows the symbolic links of dir inside root and gives a path
// without links. What does not exist is kept as written.
func resolve(root *os.Root, dir string) (string, error) {
	out, rest := ".", strings.Split(dir, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			out = path.Dir(out)
			continue
		}
		next := path.Join(out, part)
		info, err := root.Lstat(next)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			out = next
			continue
		}
		if links++; links > maxLinks {
			return "", problem.New("the image is broken or hostile", "too many symbolic links in the image at /%s", dir)
		}
		target, err := root.Readlink(next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			out = "."
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return out, nil
}
