package cli

import (
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

const tmpfsHint = "write it as PATH[:size=64m,mode=1777,nr_inodes=1000,exec]"

// parseTmpfs reads docker's grammar of --tmpfs, path[:options]. The options
// are those of tmpfs(5) that a profile can express.
func parseTmpfs(text string) (profiles.Tmpfs, error) {
	target, options, some := strings.Cut(text, ":")
	clean, err := cleanTarget(target)
	if err != nil {
		return profiles.Tmpfs{}, err
	}
	tmpfs := profiles.Tmpfs{Path: clean}
	if !some {
		return tmpfs, nil
	}
	for _, option := range strings.Split(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		if err := setTmpfsOption(&tmpfs, key, value); err != nil {
			return profiles.Tmpfs{}, err
		}
	}
	return tmpfs, nil
}

// formatTmpfs writes a tmpfs so that parseTmpfs reads the same. A path with a
// colon cannot be written so; it needs --mount.
func formatTmpfs(t profiles.Tmpfs) string {
	fields := tmpfsFields(t, "")
	if len(fields) == 0 {
		return t.Path
	}
	return t.Path + ":" + strings.Join(fields, ",")
}

// tmpfsFields writes the options; prefix goes before those of --mount.
func tmpfsFields(t profiles.Tmpfs, prefix string) []string {
	inodes := "nr_inodes"
	if prefix != "" {
		inodes = "inodes"
	}
	var fields []string
	if t.Size != nil {
		fields = append(fields, prefix+"size="+t.Size.String())
	}
	if t.Inodes != nil {
		fields = append(fields, prefix+inodes+"="+strconv.FormatInt(*t.Inodes, 10))
	}
	if t.Mode != nil {
		fields = append(fields, prefix+"mode="+strconv.FormatUint(uint64(*t.Mode), 8))
	}
	switch {
	case t.Exec == nil:
	case *t.Exec:
		fields = append(fields, "exec")
	case prefix == "":
		fields = append(fields, "noexec")
	default:
		fields = append(fields, "exec=false")
	}
	return fields
}

// setTmpfsOption applies one option. What every tmpfs here is anyway is
// accepted without effect.
func setTmpfsOption(t *profiles.Tmpfs, key, value string) error {
	switch key {
	case "size":
		size, err := parseSize(value)
		if err != nil {
			return err
		}
		t.Size = &size
	case "nr_inodes":
		inodes, err := parseSize(value) // tmpfs(5): k, m and g are accepted here too
		if err != nil {
			return err
		}
		n := int64(inodes)
		t.Inodes = &n
	case "mode":
		mode, err := strconv.ParseUint(value, 8, 12)
		if err != nil {
			return problem.New("write it in octal, for example mode=1777", "%q is not a file mode", value)
		}
		m := profiles.Mode(mode)
		t.Mode = &m
	case "exec":
		t.Exec = new(true)
	case "noexec":
		t.Exec = new(false)
	case "rw", "nosuid", "nodev":
	case "ro":
		return problem.New("leave ro out", "a tmpfs that is read-only holds nothing")
	case "uid", "gid":
		return problem.New("leave it out: it belongs to the container's root, and mode=1777 lets everyone write",
			"tmpfs option %s cannot be had", key)
	case "suid", "dev":
		return problem.New("leave it out", "tmpfs option %s is refused: it would be a way to privileges", key)
	default:
		return problem.New(tmpfsHint, "tmpfs option %q is not known", key)
	}
	return nil
}
