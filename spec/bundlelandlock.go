package spec

import (
	"maps"
	"path"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// meetLandlock makes the rules from the mounts that the container is left with,
// as it would for a plan.
func (m *meeter) meetLandlock() error {
	mounts := plainMounts(m.oci.Mounts)
	if err := m.landlockOf(mounts, m.oci.Root.Readonly); err != nil || m.plan.Landlock == nil {
		return err
	}
	// Devices are written whatever the flags of the mount that they are on, and where
	// that is the root nothing else there is.
	var devices []string
	if at := slices.IndexFunc(mounts, func(mount specs.Mount) bool { return mount.Destination == "/dev" }); at < 0 {
		devices = slices.Sorted(maps.Keys(harmless))
	} else if readOnly(mounts[at]) {
		devices = []string{"/dev"}
	}
	for _, at := range devices {
		m.plan.Landlock.Rules = append(m.plan.Landlock.Rules, LandlockRule{Path: at, Access: []string{LandlockIoctl, LandlockWrite}})
	}
	return nil
}

// plainMounts are mounts as libcontainer makes them: of two options that
// contradict each other the last one holds, and of two mounts at one place.
func plainMounts(mounts []specs.Mount) []specs.Mount {
	var out []specs.Mount
	for _, m := range mounts {
		plain := specs.Mount{Destination: path.Join("/", m.Destination), Type: m.Type}
		if isBind(m) {
			plain.Type = "bind"
		}
		if readOnly(m) {
			plain.Options = append(plain.Options, "ro")
		}
		if lastOf(m.Options, "noexec", "rnoexec") > lastOf(m.Options, "exec", "rexec") {
			plain.Options = append(plain.Options, "noexec")
		}
		out = slices.DeleteFunc(out, func(have specs.Mount) bool { return have.Destination == plain.Destination })
		out = append(out, plain)
	}
	return out
}

// readOnly says whether nothing is written below a mount.
func readOnly(m specs.Mount) bool {
	return lastOf(m.Options, "ro", "rro") > lastOf(m.Options, "rw", "rrw")
}

// lastOf is where the last of these options is, -1 if there is none.
func lastOf(options []string, names ...string) int {
	last := -1
	for i, option := range options {
		if slices.Contains(names, option) {
			last = i
		}
	}
	return last
}
