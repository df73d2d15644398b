package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// MountAhead mounts what of oci's mounts needs none of the container's own
// namespaces, below an assembled root, and gives oci with those that are left. It
// must run on a Thread; dir is what Assemble was given, and ids the container's.
//
// libcontainer's init makes some sixty system calls for each mount, because it
// trusts no path of the root that it cannot see whole. Here the root is held by
// descriptor, and a mount takes three. The container's init inherits them in a
// user namespace that does not own them, so that nothing inside can unmount them
// or take a flag away (mount_namespaces(7), locked mounts).
//
// What looks unusual is left to libcontainer: links on the way, flags that are not
// known here, and all that another mount would have to come before.
func MountAhead(oci *specs.Spec, root, dir string, ids spec.IDRange) (*specs.Spec, error) {
	at, err := openPlain(unix.AT_FDCWD, root, 0)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	a := &ahead{root: at, dir: filepath.Join(dir, "dev"), ids: ids}
	for _, m := range oci.Mounts {
		done, err := a.mount(m, oci)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Destination, err)
		}
		if !done {
			a.left = append(a.left, m)
			a.linked = a.linked || a.link(m.Destination)
		}
	}
	rest := *oci
	rest.Mounts = a.left
	return &rest, nil
}

// ahead is what MountAhead has done so far.
type ahead struct {
	root *os.File
	dir  string // where /dev is put together
	dev  bool   // it has been
	ids  spec.IDRange
	left []specs.Mount
	// linked says that one of left may lead to wherever a link does, so that all
	// after it come after it.
	linked bool
}

// mount says whether it has mounted m.
func (a *ahead) mount(m specs.Mount, oci *specs.Spec) (bool, error) {
	flags, data, plain := a.options(m)
	to := path.Clean(m.Destination)
	switch {
	case !plain || !path.IsAbs(to) || a.linked || a.inTheWay(to):
		return false, nil
	case to == "/dev":
		if a.dev || m.Type != "tmpfs" || len(oci.Linux.Devices) > 0 {
			return false, nil
		}
		if err := a.devices(flags, data); err != nil {
			return false, err
		}
		a.dev = true
		// A /dev that is bound is one that libcontainer puts nothing into.
		a.left = append(a.left, specs.Mount{Destination: to, Type: "bind", Source: a.dir, Options: []string{"rbind"}})
		return true, nil
	case a.dev && path.Dir(to) == "/dev":
		at := filepath.Join(a.dir, path.Base(to))
		if err := os.Mkdir(at, 0o755); err != nil {
			return false, err
		}
		return true, os.NewSyscallError("mount", unix.Mount(m.Type, at, m.Type, flags, data))
	case m.Type != "tmpfs" || strings.HasPrefix(to, "/dev/"):
		return false, nil
	}
	fd, err := a.open(to, unix.O_DIRECTORY)
	if err != nil {
		return false, nil // it is not there, or no plain directory
	}
	defer unix.Close(fd)
	return true, os.NewSyscallError("mount", unix.Mount("tmpfs", "/proc/self/fd/"+strconv.Itoa(fd), "tmpfs", flags, data))
}

// open opens what is there in the root, no links followed.
func (a *ahead) open(at string, flags uint64) (int, error) {
	return unix.Openat2(int(a.root.Fd()), strings.TrimPrefix(at, "/"), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC | flags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
}

// link says whether there is a link on the way to a place that is left, or the
// place is one.
func (a *ahead) link(at string) bool {
	fd, err := a.open(path.Clean("/"+at), 0)
	if err != nil {
		return errors.Is(err, unix.ELOOP)
	}
	unix.Close(fd)
	return false
}

// inTheWay says whether a mount that is left for later has to come before one at
// to: it is above, below or there.
func (a *ahead) inTheWay(to string) bool {
	return slices.ContainsFunc(a.left, func(m specs.Mount) bool {
		other := path.Clean(m.Destination)
		if other == "/dev" && a.dev {
			return false
		}
		return other == to || other == "/" || strings.HasPrefix(to, other+"/") || strings.HasPrefix(other, to+"/")
	})
}

var mountFlags = map[string]uintptr{
	"nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC, "strictatime": unix.MS_STRICTATIME,
	"newinstance": 0, // as it always is from Linux 4.7 on
}

// options translates what a mount is to be like, ids included, which are the
// container's in a spec and the host's here. It says whether all of it is known.
func (a *ahead) options(m specs.Mount) (flags uintptr, data string, plain bool) {
	if m.Type != "tmpfs" && m.Type != "devpts" || len(m.UIDMappings)+len(m.GIDMappings) > 0 {
		return 0, "", false
	}
	ids := map[string]uint32{}
	if m.Type == "tmpfs" {
		ids["uid"], ids["gid"] = 0, 0 // whoever mounts it owns it
	}
	var words []string
	for _, option := range m.Options {
		key, value, assigned := strings.Cut(option, "=")
		flag, known := mountFlags[option]
		switch {
		case known:
			flags |= flag
		case assigned && (key == "mode" || key == "size" || key == "nr_inodes" || key == "ptmxmode"):
			words = append(words, option)
		case assigned && (key == "uid" || key == "gid"):
			id, err := strconv.ParseUint(value, 10, 32)
			if err != nil || uint32(id) >= a.ids.Count {
				return 0, "", false
			}
			ids[key] = uint32(id)
		default:
			return 0, "", false
		}
	}
	for _, key := range []string{"uid", "gid"} {
		if id, asked := ids[key]; asked {
			words = append(words, fmt.Sprintf("%s=%d", key, a.ids.First+id))
		}
	}
	return flags, strings.Join(words, ","), m.Type == "devpts" || slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "mode=") })
}

// nodes are what each container has, as libcontainer has it
// (specconv.AllowedDevices); a device is the host's, bound to a file.
var nodes = []string{"null", "zero", "full", "random", "urandom", "tty"}

// links are those of the OCI runtime specification, and libcontainer's /dev/core.
var links = [][2]string{
	{"pts/ptmx", "ptmx"}, {"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
	{"/proc/self/fd/2", "stderr"}, {"/proc/kcore", "core"},
}

// devices puts /dev together, beside the root.
func (a *ahead) devices(flags uintptr, data string) error {
	if err := os.Mkdir(a.dir, 0o711); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", a.dir, "tmpfs", flags, data); err != nil {
		return os.NewSyscallError("mount", err)
	}
	owner := int(a.ids.First)
	for _, name := range nodes {
		at := filepath.Join(a.dir, name)
		if err := unix.Mknod(at, unix.S_IFREG|0o600, 0); err != nil {
			return &os.PathError{Op: "mknod", Path: at, Err: err}
		}
		if err := unix.Mount("/dev/"+name, at, "", unix.MS_BIND, ""); err != nil {
			return &os.PathError{Op: "bind /dev/" + name, Path: at, Err: err}
		}
	}
	for _, link := range links {
		if link[1] == "core" {
			if _, err := os.Lstat(link[0]); err != nil {
				continue // a kernel without
			}
		}
		at := filepath.Join(a.dir, link[1])
		if err := os.Symlink(link[0], at); err != nil {
			return err
		}
		if err := os.Lchown(at, owner, owner); err != nil {
			return err
		}
	}
	return nil
}
