package spec

import (
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// binds are the host's files that the request, and a program image, bring in.
func (c *compiler) binds() ([]specs.Mount, error) {
	var out []specs.Mount
	if c.in.Image.Program != "" {
		m, err := c.program()
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	seen := map[string]bool{c.in.Image.ProgramPath: true}
	for _, b := range c.in.Request.Binds {
		if err := c.checkBind(b); err != nil {
			return nil, err
		}
		if seen[b.Target] {
			return nil, problem.New("remove one of them", "two mounts at %s", clip(b.Target))
		}
		seen[b.Target] = true
		out = append(out, c.bind(b))
		c.decide(bindDecision(b))
	}
	return out, nil
}

// checkBind refuses sources that would hand over the host, and targets that
// would break the container.
func (c *compiler) checkBind(b Bind) error {
	if err := checkTarget(b.Target); err != nil {
		return problem.New("choose another target", "mount %s: %w", clip(b.Flag), err)
	}
	if !path.IsAbs(b.Source) || path.Clean(b.Source) != b.Source || strings.ContainsRune(b.Source, 0) {
		return problem.New("write the source from /", "mount %s: source %q is not a clean absolute path", clip(b.Flag), clip(b.Source))
	}
	judge := writtenPath
	if b.ReadOnly {
		judge = sensitivePath
	}
	why, sensitive := judge(b.Source)
	if !sensitive {
		return nil
	}
	for _, allowed := range c.in.Profile.Mounts.HostPaths {
		if b.Source != allowed.Path && !below(b.Source, allowed.Path) {
			continue
		}
		if b.ReadOnly || or(allowed.Write, false) {
			at := entry("mounts.hostPaths", allowed.Path)
			c.decide(Decision{
				Setting: "host path", Value: b.Source, Source: c.source(at), Why: c.why(at, allowed.Why), Weakens: why,
			})
			return nil
		}
		return problem.New("mount it with :ro, or write write: true beside it under mounts.hostPaths in the profile",
			"%s may only be mounted read-only", clip(b.Source))
	}
	allow := "{path: " + clip(b.Source) + ", why: ...}"
	if !b.ReadOnly {
		allow = "{path: " + clip(b.Source) + ", write: true, why: ...}"
	}
	return problem.New("mount a directory of the program's own, or name it under mounts.hostPaths in the profile: "+allow,
		"%s cannot be mounted: %s", clip(b.Source), why)
}

// bind makes one mount. Its files are idmapped: the one id that is mapped is
// the source's owner, seen inside as the container's user. All other owners
// are seen as nobody, and nothing can be made for them.
func (c *compiler) bind(b Bind) specs.Mount {
	m := specs.Mount{Destination: b.Target, Type: "bind", Source: b.Source}
	// bind, not rbind: mounts below the source would not get these options.
	m.Options = []string{"bind", "rprivate", "nosuid", "nodev"}
	if !b.Exec {
		m.Options = append(m.Options, "noexec")
	}
	if b.ReadOnly {
		m.Options = append(m.Options, "ro")
	} else {
		m.Options = append(m.Options, "rw")
	}
	if c.lost.has(profiles.WeakIDMappedMounts) {
		return m
	}
	m.Options = append(m.Options, "idmap")
	m.UIDMappings = []specs.LinuxIDMapping{{ContainerID: b.OwnerUID, HostID: c.hostID(c.who.uid), Size: 1}}
	m.GIDMappings = []specs.LinuxIDMapping{{ContainerID: b.OwnerGID, HostID: c.hostID(c.who.gid), Size: 1}}
	return m
}

func bindDecision(b Bind) Decision {
	d := Decision{Setting: "mount " + b.Target, Value: b.Source + ", read-only", Source: "flag " + b.Flag}
	var weakens []string
	if !b.ReadOnly {
		d.Value = b.Source + ", writable"
		weakens = append(weakens, "the container can change these files of the host")
		if b.OwnerUID == 0 {
			weakens = append(weakens, "what it writes belongs to root there")
		}
	}
	if b.Exec {
		d.Value += ", exec"
		weakens = append(weakens, "programs in it can be run")
	}
	d.Weakens = strings.Join(weakens, "; ")
	return d
}

// program mounts the executable that is the whole image.
func (c *compiler) program() (specs.Mount, error) {
	image := c.in.Image
	if err := checkTarget(image.ProgramPath); err != nil {
		return specs.Mount{}, problem.New("move the program", "%s cannot be run as an image: %w", image.Program, err)
	}
	c.decide(Decision{
		Setting: "mount " + image.ProgramPath, Value: image.Program + ", read-only, exec", Source: fromImage,
		Why: "the program is the whole image",
	})
	return c.bind(Bind{
		Source: image.Program, Target: image.ProgramPath, ReadOnly: true, Exec: true,
		OwnerUID: image.ProgramUID, OwnerGID: image.ProgramGID,
	}), nil
}

// ownDevices are what libcontainer puts into /dev, beside /dev/shm. A mount there
// would be lost below them, or keep the container from starting.
var ownDevices = []string{
	"console", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero",
}

// checkTarget refuses places that the kernel's own filesystems lie over, and
// those of safe-run's own.
func checkTarget(target string) error {
	switch {
	case !path.IsAbs(target) || path.Clean(target) != target || strings.ContainsRune(target, 0):
		return problem.New("", "target %q is not a clean absolute path", clip(target))
	case target == "/" || target == "/dev":
		return problem.New("", "target %s is the container's own", target)
	case target == NotifyPath || below(target, NotifyPath):
		return problem.New("", "target %s is where the socket to the service manager is", target)
	case target == InitPath || below(target, InitPath), target == PreparedPath || below(target, PreparedPath):
		return problem.New("", "target %s is where safe-run's own first process is", target)
	}
	for _, device := range ownDevices {
		if device = "/dev/" + device; target == device || below(target, device) {
			return problem.New("", "target %s lies over a device of the container", clip(target))
		}
	}
	for _, kernel := range []string{"/proc", "/sys"} {
		if target == kernel || below(target, kernel) {
			return problem.New("", "target %s lies in %s, which the kernel fills", clip(target), kernel)
		}
	}
	return nil
}
