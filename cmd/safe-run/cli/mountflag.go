package cli

import (
	"bytes"
	"encoding/csv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

const mountHint = "write it as type=bind,source=HOST,target=CONTAINER[,readonly][,exec]," +
	" type=volume,source=NAME,target=CONTAINER or type=tmpfs,target=CONTAINER,tmpfs-size=64m"

// mount is what --mount asks for: one of the three is set.
type mount struct {
	Bind   *spec.Bind
	Volume *spec.Volume
	Tmpfs  *profiles.Tmpfs
}

// parseMount reads docker's grammar of --mount: one line of CSV whose fields
// are key=value or a lone word.
func parseMount(text string) (mount, error) {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return mount{}, problem.New(mountHint, "%.80q is not a list of key=value", text)
	}
	keys := mountKeys{kind: "bind", bind: spec.Bind{Flag: "--mount " + text}}
	for _, field := range fields {
		if err := keys.set(field); err != nil {
			return mount{}, err
		}
	}
	return keys.mount()
}

// formatMount writes a mount so that parseMount reads the same.
func formatMount(m mount) string {
	var fields []string
	switch {
	case m.Volume != nil:
		fields = volumeFields(*m.Volume)
	case m.Bind != nil:
		fields = []string{"type=bind", "source=" + m.Bind.Source, "target=" + m.Bind.Target}
		if m.Bind.ReadOnly {
			fields = append(fields, "readonly")
		}
		if m.Bind.Exec {
			fields = append(fields, "exec")
		}
	default:
		fields = append([]string{"type=tmpfs", "target=" + m.Tmpfs.Path}, tmpfsFields(*m.Tmpfs, "tmpfs-")...)
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(fields) // a bytes.Buffer takes everything
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// mountKeys gathers the fields of one --mount.
type mountKeys struct {
	kind   string
	target string
	bind   spec.Bind
	volume spec.Volume
	tmpfs  profiles.Tmpfs
	exec   *bool
	// What was given that not every kind has: a source or readonly, and what
	// belongs to one kind only.
	sourced, bindOnly, volumeOnly, tmpfsOnly string
}

func (k *mountKeys) set(field string) error {
	key, value, given := strings.Cut(field, "=")
	var err error
	switch key = strings.ToLower(key); key {
	case "type":
		k.kind = value
	case "target", "destination", "dst":
		k.target, err = cleanTarget(value)
	case "source", "src":
		k.bind.Source, k.sourced = value, key
	case "readonly", "ro":
		k.sourced = key
		k.bind.ReadOnly, err = parseMountBool(key, value, given)
	case "exec":
		var on bool
		on, err = parseMountBool(key, value, given)
		k.exec = &on
	case "tmpfs-size", "tmpfs-mode", "tmpfs-inodes":
		k.tmpfsOnly = key
		err = setTmpfsOption(&k.tmpfs, mountTmpfsKeys[key], value)
	case "bind-propagation":
		k.bindOnly = key
		err = setPropagation(value)
	case "volume-nocopy", "volume-driver", "volume-opt", "volume-label", "volume-subpath":
		k.volumeOnly = key
		err = setVolumeKey(&k.volume, key, value, given)
	default:
		return problem.New(mountHint, "key %q of --mount is not known", key)
	}
	return err
}

// mountTmpfsKeys are the words of --tmpfs for those of --mount.
var mountTmpfsKeys = map[string]string{"tmpfs-size": "size", "tmpfs-mode": "mode", "tmpfs-inodes": "nr_inodes"}

func (k *mountKeys) mount() (mount, error) {
	if k.target == "" {
		return mount{}, problem.New(mountHint, "--mount names no target")
	}
	others := map[string][]string{
		"bind": {k.tmpfsOnly, k.volumeOnly}, "volume": {k.tmpfsOnly, k.bindOnly}, "tmpfs": {k.sourced, k.bindOnly, k.volumeOnly},
	}
	for _, key := range others[k.kind] {
		if key != "" {
			return mount{}, problem.New(mountHint, "key %q does not belong to type=%s", key, k.kind)
		}
	}
	switch k.kind {
	case "bind":
		if k.bind.Source == "" {
			return mount{}, problem.New(mountHint, "--mount of type=bind names no source")
		}
		if err := checkSource(k.bind.Source); err != nil {
			return mount{}, err
		}
		k.bind.Target = k.target
		k.bind.Exec = k.exec != nil && *k.exec
		return mount{Bind: &k.bind}, nil
	case "tmpfs":
		k.tmpfs.Path, k.tmpfs.Exec = k.target, k.exec
		return mount{Tmpfs: &k.tmpfs}, nil
	case "volume":
		return k.namedMount()
	}
	return mount{}, problem.New("types are bind, volume and tmpfs", "a mount of type %q cannot be had", k.kind)
}

// namedMount is a mount of a volume; without a source it has no name.
func (k *mountKeys) namedMount() (mount, error) {
	v := k.volume
	v.Name, v.Target, v.ReadOnly, v.Flag = k.bind.Source, k.target, k.bind.ReadOnly, k.bind.Flag
	v.Exec = k.exec != nil && *k.exec
	if v.Name == "" {
		return mount{Volume: &v}, nil
	}
	if isHostPath(v.Name) {
		return mount{}, problem.New("write type=bind for a directory of the host", "%.80q is a path, and no name of a volume", v.Name)
	}
	return mount{Volume: &v}, checkVolumeName(v.Name)
}

// setPropagation accepts the one propagation there is.
func setPropagation(value string) error {
	var none spec.Bind
	if value != "private" && value != "rprivate" {
		if err := setBindOption(&none, value); err != nil {
			return err
		}
		return problem.New("leave it out", "%q is not a bind propagation", value)
	}
	return nil
}

func parseMountBool(key, value string, given bool) (bool, error) {
	switch {
	case !given, value == "true", value == "1":
		return true, nil
	case value == "false", value == "0":
		return false, nil
	}
	return false, problem.New("write true or false", "%q is not a value of %s", value, key)
}
