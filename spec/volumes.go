package spec

import (
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// namedVolumes are the volumes that the request brings in. They are no paths of
// the host, and every profile from default on has them; one that says
// mounts.volumes: false, or a floor that does, refuses them.
func (c *compiler) namedVolumes(taken map[string]bool) ([]specs.Mount, error) {
	var out []specs.Mount
	for _, v := range c.in.Request.Volumes {
		if err := c.checkVolume(v); err != nil {
			return nil, err
		}
		if taken[v.Target] {
			return nil, problem.New("remove one of them", "two mounts at %s", clip(v.Target))
		}
		taken[v.Target] = true
		out = append(out, c.volume(v))
		c.plan.Volumes = append(c.plan.Volumes, VolumeUse{
			Name: v.Name, Source: v.Source, Destination: v.Target, ReadOnly: v.ReadOnly, NoCopy: v.NoCopy,
			Anonymous: v.Anonymous, AutoRemove: v.AutoRemove, UID: c.who.uid, GID: c.who.gid,
			Mapped: !c.lost.has(profiles.WeakUserNamespace), Labels: v.Labels, Size: v.Size,
		})
		c.decide(volumeDecision(v))
	}
	return out, nil
}

func (c *compiler) checkVolume(v Volume) error {
	if err := checkTarget(v.Target); err != nil {
		return problem.New("choose another target", "mount %s: %w", clip(v.Flag), err)
	}
	if !path.IsAbs(v.Source) || path.Clean(v.Source) != v.Source || strings.ContainsRune(v.Source, 0) {
		return problem.New("write the volumes' directory from /", "volume %s: %q is not a clean absolute path", clip(v.Name), clip(v.Source))
	}
	if !or(c.in.Profile.Mounts.Volumes, false) {
		return problem.New("mount a tmpfs; or write mounts.volumes: true into the profile, where the administrator's floor allows it",
			"volume %s cannot be mounted: the profile allows no volumes (%s)", clip(v.Name), c.source("mounts.volumes"))
	}
	if c.lost.has(profiles.WeakIDMappedMounts) && !c.lost.has(profiles.WeakUserNamespace) {
		return problem.New("mount a directory of the host in its place",
			"volume %s cannot be mounted: this host has no idmapped mounts, and its files would be nobody's", clip(v.Name))
	}
	return nil
}

// volume makes one mount. The whole range of ids is mapped, so that every
// container sees the same owners, whatever its range is.
func (c *compiler) volume(v Volume) specs.Mount {
	m := specs.Mount{Destination: v.Target, Type: "bind", Source: v.Source}
	m.Options = []string{"bind", "rprivate", "nosuid", "nodev"}
	if !v.Exec {
		m.Options = append(m.Options, "noexec")
	}
	if v.ReadOnly {
		m.Options = append(m.Options, "ro")
	} else {
		m.Options = append(m.Options, "rw")
	}
	if c.lost.has(profiles.WeakUserNamespace) {
		return m // ids are the host's, inside as well
	}
	m.Options = append(m.Options, "idmap")
	whole := []specs.LinuxIDMapping{{ContainerID: 0, HostID: c.hostID(0), Size: c.in.Instance.IDs.Count}}
	m.UIDMappings, m.GIDMappings = whole, whole
	return m
}

func volumeDecision(v Volume) Decision {
	d := Decision{Setting: "mount " + v.Target, Value: "volume " + v.Name, Source: "flag " + v.Flag}
	if v.Anonymous {
		d.Value = "a volume without a name"
	}
	if v.ReadOnly {
		d.Value += ", read-only"
	} else {
		d.Value += ", writable"
	}
	if v.Exec {
		d.Value += ", exec"
		d.Weakens = "programs in it can be run"
	}
	return d
}
