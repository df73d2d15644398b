package cli

import (
	"bytes"
	"encoding/csv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

const mountHint = "write it as type=bind,source=HOST,target=CONTAINER[,readonly][,exec]" +
	" or type=tmpfs,target=CONTAINER,tmpfs-size=64m"

// mount is what --mount asks for: one of the two is set.
type mount struct {
	Bind  *spec.Bind
	Tmpfs *profiles.Tmpfs
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
	if m.Bind != nil {
		fields = []string{"type=bind", "source=" + m.Bind.Source, "target=" + m.Bind.Target}
		if m.Bind.ReadOnly {
			fields = append(fields, "readonly")
		}
		if m.Bind.Exec {
			fields = append(fields, "exec")
		}
	} else {
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
	tmpfs  profiles.Tmpfs
	exec   *bool
	// What was given that belongs to one kind only.
	bindOnly, tmpfsOnly string
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
		k.bind.Source, k.bindOnly, err = value, key, checkSource(value)
	case "readonly", "ro":
		k.bindOnly = key
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
	switch k.kind {
	case "bind":
		switch {
		case k.tmpfsOnly != "":
			return mount{}, problem.New(mountHint, "key %q does not belong to type=bind", k.tmpfsOnly)
		case k.bind.Source == "":
			return mount{}, problem.New(mountHint, "--mount of type=bind names no source")
		}
		k.bind.Target = k.target
		k.bind.Exec = k.exec != nil && *k.exec
		return mount{Bind: &k.bind}, nil
	case "tmpfs":
		if k.bindOnly != "" {
			return mount{}, problem.New(mountHint, "key %q does not belong to type=tmpfs", k.bindOnly)
		}
		k.tmpfs.Path, k.tmpfs.Exec = k.target, k.exec
		return mount{Tmpfs: &k.tmpfs}, nil
	case "volume":
		return mount{}, problem.New("use type=bind with a directory of the host", "named volumes are not there yet")
	}
	return mount{}, problem.New("types are bind and tmpfs", "a mount of type %q cannot be had", k.kind)
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
