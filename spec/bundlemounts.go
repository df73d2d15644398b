package spec

import (
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
)

type engineFile struct {
	below   string
	targets []string
}

// engineFiles are files that engines make for one container below places that
// are the host's otherwise, by where the container sees them; without targets
// they are volumes, which may be seen anywhere.
var engineFiles = []engineFile{
	{"/var/lib/docker/containers", engineTargets},
	{"/var/lib/containers/storage/overlay-containers", engineTargets},
	{"/run/containers/storage", engineTargets},
	{"/var/lib/docker/volumes", nil},
	{"/var/lib/containers/storage/volumes", nil},
}

var engineTargets = []string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv", "/run/secrets", "/dev/shm"}

// kernelTypes are filesystems that show a container's own namespaces.
var kernelTypes = []string{"proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts", "tmpfs"}

// ownPlace is the only place of a filesystem whose paths the profile masks.
var ownPlace = map[string]string{"proc": "/proc", "sysfs": "/sys"}

// meetMounts leaves out what shows the host, and takes from the others what no
// container needs.
func (m *meeter) meetMounts() error {
	var kept []specs.Mount
	for i := range m.oci.Mounts {
		mount := m.oci.Mounts[i]
		keep := true
		if d, forbidden := m.forbiddenMount(mount); forbidden {
			if err := m.conflict(d, func() { keep = false }); err != nil {
				return err
			}
		}
		if !keep {
			continue
		}
		if err := m.private(&mount); err != nil {
			return err
		}
		m.harden(&mount)
		kept = append(kept, mount)
	}
	m.oci.Mounts = kept
	m.writable()
	return nil
}

// writable gives a container whose root could be written to, until the profile
// made it read-only, the profile's places in memory: less than it had, and enough
// for most programs. What the bundle mounts there or below stays.
func (m *meeter) writable() {
	if !m.closed {
		return
	}
	m.who.uid, m.who.gid = m.oci.Process.User.UID, m.oci.Process.User.GID
	for _, t := range m.in.Profile.Mounts.Tmpfs {
		taken := slices.ContainsFunc(m.oci.Mounts, func(have specs.Mount) bool {
			at := path.Clean(have.Destination)
			return at == t.Path || below(at, t.Path)
		})
		if !taken && checkTarget(t.Path) == nil {
			m.oci.Mounts = append(m.oci.Mounts, m.tmpfs(t))
		}
	}
}

func isBind(m specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}

func (m *meeter) forbiddenMount(mount specs.Mount) (Decision, bool) {
	d := Decision{Setting: "mount of " + mount.Source + " at " + mount.Destination, Value: "left out", Source: m.source("mounts.hostPaths")}
	if !isBind(mount) {
		d.Setting = "mount of type " + mount.Type + " at " + mount.Destination
		d.Source, d.Why = fromSafeRun, "filesystems of the host are mounted by the host"
		if at := ownPlace[mount.Type]; at != "" && path.Join("/", mount.Destination) != at {
			d.Why = "what is masked and read-only at " + at + " would be open there"
			return d, true
		}
		return d, !slices.Contains(kernelTypes, mount.Type)
	}
	source := path.Clean(mount.Source)
	for _, e := range slices.Concat(engineFiles, m.bundle.Pod.files()) {
		if below(source, e.below) && (e.targets == nil || slices.Contains(e.targets, path.Clean(mount.Destination))) {
			return d, false
		}
	}
	readOnly := slices.Contains(mount.Options, "ro") && !slices.Contains(mount.Options, "rw") && !slices.Contains(mount.Options, "rrw")
	judge := writtenPath
	if readOnly {
		judge = sensitivePath
	}
	why, sensitive := judge(source)
	if !sensitive {
		return d, false
	}
	d.Why = why
	return d, !slices.ContainsFunc(m.in.Profile.Mounts.HostPaths, func(h profiles.HostPath) bool {
		return (source == h.Path || below(source, h.Path)) && (readOnly || or(h.Write, false))
	})
}

// private keeps mounts made inside from appearing on the host.
func (m *meeter) private(mount *specs.Mount) error {
	for i, option := range mount.Options {
		instead := map[string]string{"shared": "slave", "rshared": "rslave"}[option]
		if instead == "" {
			continue
		}
		err := m.conflict(Decision{
			Setting: "mount option " + option + " at " + mount.Destination, Value: instead, Source: fromSafeRun,
			Why: "mounts made inside would appear on the host",
		}, func() { mount.Options[i] = instead })
		if err != nil {
			return err
		}
	}
	return nil
}

// loosening are options that take flags from a mount and from all below it.
var loosening = []string{"rrw", "rsuid", "rdev", "rexec"}

// harden adds the options that take something away.
func (m *meeter) harden(mount *specs.Mount) {
	add := []string{"nosuid", "nodev"}
	switch {
	case isBind(*mount):
		// Shared memory that the engine has mounted before: of a pod, or of Docker.
		if at := path.Join("/", mount.Destination); at == "/dev/shm" && !m.executes(at) {
			add = append(add, "noexec")
		}
	case mount.Type == "tmpfs" && path.Clean(mount.Destination) == "/dev":
		add = []string{"nosuid"} // the devices are made here
	case mount.Type == "tmpfs":
		add = m.hardenTmpfs(mount, add)
	case mount.Type == "devpts":
		add = []string{"nosuid", "noexec"}
	case mount.Type == "sysfs", mount.Type == "cgroup", mount.Type == "cgroup2":
		add = append(add, "noexec", "ro")
	default:
		add = append(add, "noexec")
	}
	// libcontainer applies these after all others (mount_setattr(2)).
	mount.Options = slices.DeleteFunc(slices.Clone(mount.Options), func(o string) bool { return slices.Contains(loosening, o) })
	for _, option := range add {
		mount.Options = restrict(mount.Options, option)
	}
}

// executes says whether the profile lets programs be run from memory at a path.
func (m *meeter) executes(at string) bool {
	return slices.ContainsFunc(m.in.Profile.Mounts.Tmpfs, func(t profiles.Tmpfs) bool { return t.Path == at && or(t.Exec, false) })
}

// hardenTmpfs bounds the size as the profile does, and lets nothing be executed
// unless the profile does.
func (m *meeter) hardenTmpfs(mount *specs.Mount, add []string) []string {
	tmpfs := m.in.Profile.Mounts.Tmpfs
	at := slices.IndexFunc(tmpfs, func(t profiles.Tmpfs) bool { return t.Path == path.Clean(mount.Destination) })
	if !m.executes(path.Clean(mount.Destination)) {
		add = append(add, "noexec")
	}
	if at < 0 || tmpfs[at].Size == nil {
		return add
	}
	most := *tmpfs[at].Size
	for i, option := range mount.Options {
		text, is := strings.CutPrefix(option, "size=")
		if !is {
			continue
		}
		if asked, known := tmpfsSize(text); !known || asked == 0 || asked > uint64(most) {
			mount.Options[i] = "size=" + decimal(uint64(most))
		}
		return add
	}
	mount.Options = append(mount.Options, "size="+decimal(uint64(most)))
	return add
}

// restrict adds an option and takes its opposite away.
func restrict(options []string, option string) []string {
	opposite := map[string]string{"nosuid": "suid", "nodev": "dev", "noexec": "exec", "ro": "rw"}[option]
	options = slices.DeleteFunc(slices.Clone(options), func(o string) bool { return o == opposite })
	if slices.Contains(options, option) {
		return options
	}
	return append(options, option)
}
