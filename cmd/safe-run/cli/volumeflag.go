package cli

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/volume"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// isHostPath says whether a source is a path; docker takes a bare word for the
// name of a volume.
func isHostPath(source string) bool {
	return filepath.IsAbs(source) || source == "." || source == ".." ||
		strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../")
}

// checkVolumeName accepts the name of a volume where a path could stand, too.
func checkVolumeName(name string) error {
	switch {
	case strings.HasPrefix(name, "~"):
		return problem.New("write $HOME instead of ~", "the shell has not replaced ~ in %q", name)
	case volume.ValidName(name):
		return nil
	}
	return problem.New("write a directory of the host as ./"+name+", and a volume's name with letters, digits, '_', '.' and '-', at least two",
		"%.80q is neither a path of the host nor the name of a volume", name)
}

// setVolumeOption applies one word after the second colon to a volume.
func setVolumeOption(v *spec.Volume, option string) error {
	switch option {
	case "nocopy":
		v.NoCopy = true
		return nil
	case "U":
		return problem.New("leave it out", "option U is not needed: a new volume belongs to the container's user")
	}
	bind := spec.Bind{ReadOnly: v.ReadOnly, Exec: v.Exec}
	if err := setBindOption(&bind, option); err != nil {
		return err
	}
	v.ReadOnly, v.Exec = bind.ReadOnly, bind.Exec
	return nil
}

// formatNamed writes a volume so that parseVolume reads the same.
func formatNamed(v spec.Volume) string {
	mode := "rw"
	if v.ReadOnly {
		mode = "ro"
	}
	if v.Exec {
		mode += ",exec"
	}
	if v.NoCopy {
		mode += ",nocopy"
	}
	if v.Name == "" { // one without a name has no options
		return v.Target
	}
	return v.Name + ":" + v.Target + ":" + mode
}

// volumeFields are the fields of --mount that a volume has.
func volumeFields(v spec.Volume) []string {
	fields := []string{"type=volume"}
	if v.Name != "" {
		fields = append(fields, "source="+v.Name)
	}
	fields = append(fields, "target="+v.Target)
	if v.ReadOnly {
		fields = append(fields, "readonly")
	}
	if v.Exec {
		fields = append(fields, "exec")
	}
	if v.NoCopy {
		fields = append(fields, "volume-nocopy")
	}
	if v.Size > 0 {
		fields = append(fields, "volume-opt=size="+formatBytes(v.Size))
	}
	for _, label := range sortedLabels(v.Labels) {
		fields = append(fields, "volume-label="+label)
	}
	return fields
}

// setVolumeKey applies one field of --mount that only volumes have.
func setVolumeKey(v *spec.Volume, key, value string, given bool) (err error) {
	switch key {
	case "volume-nocopy":
		v.NoCopy, err = parseMountBool(key, value, given)
	case "volume-driver":
		err = checkDriver(value)
	case "volume-opt":
		v.Size, err = parseVolumeOpt(value)
	case "volume-label":
		name, label, bad := parseLabel(value)
		if bad != nil {
			return bad
		}
		if v.Labels == nil {
			v.Labels = map[string]string{}
		}
		v.Labels[name] = label
	default:
		err = problem.New("mount the whole volume, or a directory of the host", "%s: a part of a volume cannot be mounted", key)
	}
	return err
}

// checkDriver accepts the one driver there is.
func checkDriver(name string) error {
	if name == "local" || name == "" {
		return nil
	}
	return problem.New("leave it out; volumes are directories of this host", "there is no volume driver %.60q", name)
}

// parseVolumeOpt reads an option of docker's local driver: size=1g.
func parseVolumeOpt(text string) (int64, error) {
	name, value, _ := strings.Cut(text, "=")
	switch name {
	case "size":
		size, err := parseSize(value)
		return int64(size), err
	case "type", "device", "o":
		return 0, problem.New("mount a directory of the host with -v", "option %s: a volume is no mount of another filesystem", name)
	}
	return 0, problem.New("write size=1g", "%.60q is not an option of a volume", name)
}

// addVolume asks for a volume. One without a name gets one here, which the
// command line that is kept has in its place.
func (b *runBuilder) addVolume(v spec.Volume) error {
	if v.Name == "" {
		v.Name, v.Anonymous = volume.NewName(), true
		named := v
		if b.named == nil {
			b.named = map[int]string{}
		}
		b.named[b.at] = "--mount=" + formatMount(mount{Volume: &named})
	}
	v.Source = volume.DataPath(v.Name)
	b.o.Request.Volumes = append(b.o.Request.Volumes, v)
	return nil
}

// knowVolumes adds what the ledger knows of a container's volumes: the command
// line that is kept names all of them.
func (o *runOptions) knowVolumes(c ledger.Container) {
	for i := range o.Request.Volumes {
		v := &o.Request.Volumes[i]
		v.Anonymous = v.Anonymous || slices.ContainsFunc(c.Volumes, func(had ledger.Volume) bool { return had.Name == v.Name && had.Anonymous })
		v.AutoRemove = v.Anonymous && c.AutoRemove
	}
}

// settleVolumes says which volumes go with the container: those that it would
// leave behind with nobody to know what they are.
func (b *runBuilder) settleVolumes() {
	goes := !b.o.Detach || b.o.AutoRemove != nil && *b.o.AutoRemove
	for i := range b.o.Request.Volumes {
		v := &b.o.Request.Volumes[i]
		v.AutoRemove = v.Anonymous && goes
	}
}
