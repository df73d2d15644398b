package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/event"
)

// Refused is a call that the kernel refused, not the filter: what it means, and
// what would let it through. Errno is EPERM, EACCES or EROFS; where is the path
// that the call named, when it named one.
func (p *Plan) Refused(call, errno, where string) event.Denial {
	d := event.Denial{Control: event.Kernel, Syscall: call, Errno: errno, Severity: event.Low}
	if where != "" {
		d.Arguments = []string{"path " + where}
	}
	switch errno {
	case "EROFS":
		p.readOnly(&d, where)
	case "EACCES":
		d.Meaning = "the file's owner and mode do not let the container's user do that"
		d.Instead = fmt.Sprintf("let user %d have it in the image, or run as the user who owns it: --user", p.OCI.Process.User.UID)
	default:
		d.Meaning = "the kernel wants a privilege for it, or the file is another user's"
		d.Instead = "what it needs is in capabilities(7); a profile gives one with process.capabilities"
	}
	return d
}

// imageDirs hold the image's own files, which a tmpfs would hide.
var imageDirs = []string{"/bin", "/etc", "/lib", "/lib64", "/opt", "/sbin", "/usr"}

// readOnly is for a write to a file system that is mounted read-only.
func (p *Plan) readOnly(d *event.Denial, where string) {
	d.Meaning = "the file system there is read-only"
	dir := path.Dir(path.Clean(where))
	for _, m := range p.OCI.Mounts {
		if m.Type == "bind" && m.Destination != "/" && (where == m.Destination || below(where, m.Destination)) {
			d.Instead = fmt.Sprintf("mount %s without ro, if it may be written to", m.Destination)
			return
		}
	}
	for _, kernel := range []string{"/proc", "/sys", "/dev"} {
		if below(where, kernel) {
			d.Instead = "what is in " + kernel + " is the kernel's, and stays as it is"
			return
		}
	}
	if !path.IsAbs(where) || dir == "/" || slices.ContainsFunc(imageDirs, func(of string) bool { return dir == of || below(dir, of) }) || strings.ContainsAny(where, "\"\\\n\ufffd") {
		d.Allow = []string{"rootfs:", "  readOnly: false", "  why: ..."}
		return
	}
	d.Meaning += "; what is to outlive the container belongs into a volume (-v NAME:" + dir + "), the rest into memory"
	d.Allow = []string{"mounts:", "  tmpfs:", fmt.Sprintf("    - {path: %q, size: 16MiB}", dir)}
}
