package sandbox

import (
	"bufio"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/copy"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/event"
)

// Files is the container's side of a copy: what its first process sees, with
// its mounts. Whoever gets it closes its Root.
func (l *Live) Files() (*copy.Tree, error) {
	root, err := l.inside.File("root", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, l.explain(err)
	}
	user := l.Plan.OCI.Process.User
	t := &copy.Tree{
		Container: l.Name(), Root: root, UID: user.UID, GID: user.GID, ReadOnly: l.readOnly,
		IDs: copy.IDs{Users: mappings(l.Plan.OCI.Linux.UIDMappings), Groups: mappings(l.Plan.OCI.Linux.GIDMappings)},
	}
	t.UID, t.GID = t.IDs.Outside(user.UID, user.GID)
	return t, nil
}

func mappings(maps []specs.LinuxIDMapping) (out []copy.Mapping) {
	for _, m := range maps {
		out = append(out, copy.Mapping{Container: m.ContainerID, Host: m.HostID, Count: m.Size})
	}
	return out
}

// readOnly says where in the container a mount is, and what would make it
// writable.
func (l *Live) readOnly(mount int) (where, hint string) {
	f, err := l.inside.File("mountinfo", unix.O_RDONLY)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// 36 35 98:0 /root /where options ... (proc(5))
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[0] != strconv.Itoa(mount) {
			continue
		}
		if where = fields[4]; where == "/" {
			return where, "start it with --read-only=false, or rootfs.readOnly: false in the profile; or copy to a directory that is mounted with -v or --tmpfs"
		}
		return where, "start it with -v HOST:" + where + ":rw, or write: true at that mount in the profile"
	}
	return "", ""
}

// TellCopy writes down that files were copied into the container, or out of it.
func (l *Live) TellCopy(from, to string) {
	if kept, err := ledger.Open(""); err == nil {
		kept.Emit(event.Event{
			Type: event.Container, Action: event.Copy, ID: l.ID(),
			Attributes: map[string]string{"name": l.Name(), "image": l.record.Image, "from": from, "to": to},
		})
	}
}
