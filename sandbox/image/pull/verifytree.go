package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/sandbox/image/source/ociconfig"
	"github.com/safe-run/safe-run/spec"
)

// entryConfig is what the store keeps of an image's config.
func entryConfig(found *source.Image) (spec.ImageConfig, error) {
	return ociconfig.ReadWhole(found.ConfigFile, found.Config)
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// comparison goes through two directories side by side. It leaves neither,
// whatever links say, and opens nothing but directories and regular files.
type comparison struct {
	ctx        context.Context
	want, have *os.Root
	links      *links
	differs    func(path, what string)
	n          int
}

// directory compares a directory and all that is in it.
func (c *comparison) directory(dir string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if dir == "." {
		if err := c.attributes(dir, dir); err != nil {
			return err
		}
	}
	want, err := names(c.want, dir)
	if err != nil {
		return err
	}
	have, err := names(c.have, dir)
	if err != nil {
		return err
	}
	for _, name := range want {
		if _, there := slices.BinarySearch(have, name); !there {
			c.differs(path.Join(dir, name), "it is missing")
			continue
		}
		if err := c.file(path.Join(dir, name)); err != nil {
			return err
		}
	}
	for _, name := range have {
		if _, there := slices.BinarySearch(want, name); !there {
			c.differs(path.Join(dir, name), "it does not belong there")
		}
	}
	return nil
}

// names lists a directory, sorted.
func names(root *os.Root, dir string) ([]string, error) {
	f, err := root.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|nofollow, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.Readdirnames(-1)
	slices.Sort(list)
	return list, err
}

// attributes compares the inode of a directory that is there in both.
func (c *comparison) attributes(want, have string) error {
	a, err := c.want.Lstat(want)
	if err != nil {
		return err
	}
	b, err := c.have.Lstat(have)
	if err != nil {
		return err
	}
	c.inodes(want, a, b)
	return c.xattrs(want)
}

// inodes compares what stat(2) says, and reports whether the types are the
// same.
func (c *comparison) inodes(name string, a, b fs.FileInfo) bool {
	if a.Mode().Type() != b.Mode().Type() {
		c.differs(name, fmt.Sprintf("it is %s, not %s", kind(b), kind(a)))
		return false
	}
	x, y := a.Sys().(*syscall.Stat_t), b.Sys().(*syscall.Stat_t)
	if x.Mode&0o7777 != y.Mode&0o7777 {
		c.differs(name, fmt.Sprintf("its mode is %04o, not %04o", y.Mode&0o7777, x.Mode&0o7777))
	}
	if x.Uid != y.Uid || x.Gid != y.Gid {
		c.differs(name, fmt.Sprintf("it belongs to %d:%d, not %d:%d", y.Uid, y.Gid, x.Uid, x.Gid))
	}
	if a.Mode()&fs.ModeDevice != 0 && x.Rdev != y.Rdev {
		c.differs(name, fmt.Sprintf("it is the device %d:%d, not %d:%d", unix.Major(y.Rdev), unix.Minor(y.Rdev), unix.Major(x.Rdev), unix.Minor(x.Rdev)))
	}
	return true
}

func kind(info fs.FileInfo) string {
	switch info.Mode().Type() {
	case 0:
		return "a file"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeSymlink:
		return "a link"
	case fs.ModeNamedPipe:
		return "a pipe"
	case fs.ModeSocket:
		return "a socket"
	}
	if info.Sys().(*syscall.Stat_t).Rdev == 0 {
		return "a whiteout"
	}
	return "a device"
}

// file compares what has the same name in both.
func (c *comparison) file(name string) error {
	a, err := c.want.Lstat(name)
	if err != nil {
		return err
	}
	b, err := c.have.Lstat(name)
	if err != nil {
		return err
	}
	if !c.inodes(name, a, b) {
		return nil
	}
	switch a.Mode().Type() {
	case fs.ModeDir:
		return errors.Join(c.xattrs(name), c.directory(name))
	case fs.ModeSymlink:
		return c.target(name)
	case 0:
		if x, y := c.links.first(name, a, b); x != y {
			c.differs(name, fmt.Sprintf("it is one file with %q, not with %q", y, x))
		}
		if a.Size() != b.Size() {
			c.differs(name, fmt.Sprintf("it has %d bytes, not %d", b.Size(), a.Size()))
			return nil
		}
		return errors.Join(c.xattrs(name), c.content(name))
	}
	return nil
}

func (c *comparison) target(name string) error {
	want, err := c.want.Readlink(name)
	if err != nil {
		return err
	}
	have, err := c.have.Readlink(name)
	if err == nil && want != have {
		c.differs(name, fmt.Sprintf("it leads to %q, not to %q", have, want))
	}
	return err
}

// content compares two files of the same size.
func (c *comparison) content(name string) error {
	a, err := c.want.OpenFile(name, os.O_RDONLY|nofollow, 0)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := c.have.OpenFile(name, os.O_RDONLY|nofollow, 0)
	if err != nil {
		return err
	}
	defer b.Close()
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			c.differs(name, "its content is another")
			return nil
		}
		if errA != nil || errB != nil {
			return ended(errA, errB)
		}
	}
}

// ended leaves out the ends of files.
func ended(errs ...error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
	}
	return nil
}

// xattrs compares the extended attributes that this process may see: trusted.*
// is for administrators only. Labels of SELinux go by the path, not by the
// image.
func (c *comparison) xattrs(name string) error {
	want, err := attributesOf(c.want, name)
	if err != nil {
		return err
	}
	have, err := attributesOf(c.have, name)
	if err != nil {
		return err
	}
	if want != have {
		c.differs(name, "its extended attributes are others")
	}
	return nil
}

// attributesOf are the extended attributes of a file in one text.
func attributesOf(root *os.Root, name string) (string, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|nofollow, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	buf := make([]byte, 64<<10) // XATTR_LIST_MAX and XATTR_SIZE_MAX
	n, err := unix.Flistxattr(int(f.Fd()), buf)
	if errors.Is(err, unix.ENOTSUP) || n == 0 {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var out strings.Builder
	keys := strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(keys)
	for _, key := range keys {
		if key == "security.selinux" {
			continue
		}
		n, err := unix.Fgetxattr(int(f.Fd()), key, buf)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%q=%q ", key, buf[:n])
	}
	return out.String(), nil
}

// links tells which names are one file.
type links struct{ want, have map[inode]string }

type inode struct{ dev, ino uint64 }

func newLinks() *links { return &links{map[inode]string{}, map[inode]string{}} }

// first gives the first name of the file in each tree.
func (l *links) first(name string, a, b fs.FileInfo) (want, have string) {
	return firstName(l.want, name, a), firstName(l.have, name, b)
}

func firstName(seen map[inode]string, name string, info fs.FileInfo) string {
	st := info.Sys().(*syscall.Stat_t)
	if st.Nlink < 2 {
		return name
	}
	id := inode{uint64(st.Dev), st.Ino}
	if _, again := seen[id]; !again {
		seen[id] = name
	}
	return seen[id]
}
