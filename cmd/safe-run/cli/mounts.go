package cli

import (
	"path"
	"strings"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

const volumeHint = "write it as HOST:CONTAINER[:ro,exec], for example -v ./data:/data, or as NAME:CONTAINER for a volume"

// parseVolume reads docker's grammar of --volume: host:container[:options] for
// a directory of the host, name:container[:options] for a volume, and container
// for a volume without a name. The source is as typed: statBind looks at it.
func parseVolume(text string) (mount, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) == 1 {
		target, err := cleanTarget(text)
		return mount{Volume: &spec.Volume{Target: target, Flag: "--volume " + text}}, err
	}
	source := parts[0]
	target, err := cleanTarget(parts[1])
	if err == nil {
		err = checkEither(source)
	}
	if err != nil {
		return mount{}, err
	}
	var options []string
	if len(parts) == 3 {
		options = strings.Split(parts[2], ",")
	}
	if isHostPath(source) {
		bind := spec.Bind{Source: source, Target: target, Flag: "--volume " + text}
		return mount{Bind: &bind}, applyEach(options, func(option string) error { return setBindOption(&bind, option) })
	}
	named := spec.Volume{Name: source, Target: target, Flag: "--volume " + text}
	return mount{Volume: &named}, applyEach(options, func(option string) error { return setVolumeOption(&named, option) })
}

func applyEach(options []string, apply func(string) error) error {
	for _, option := range options {
		if err := apply(option); err != nil {
			return err
		}
	}
	return nil
}

// checkEither accepts host paths and names of volumes.
func checkEither(source string) error {
	if source == "" {
		return problem.New(volumeHint, "the host path is empty")
	}
	if isHostPath(source) {
		return checkPathBytes(source)
	}
	return checkVolumeName(source)
}

// formatVolume writes a bind so that parseVolume reads the same. Paths with a
// colon cannot be written so; they need --mount.
func formatVolume(b spec.Bind) string {
	mode := "rw"
	if b.ReadOnly {
		mode = "ro"
	}
	if b.Exec {
		mode += ",exec"
	}
	return b.Source + ":" + b.Target + ":" + mode
}

// setBindOption applies one word after the second colon. What every bind mount
// here is anyway is accepted without effect.
func setBindOption(b *spec.Bind, option string) error {
	switch option {
	case "ro", "readonly":
		b.ReadOnly = true
	case "rw":
		b.ReadOnly = false
	case "exec":
		b.Exec = true
	case "noexec":
		b.Exec = false
	case "nosuid", "nodev", "private", "rprivate", "rbind", "bind",
		"cached", "delegated", "consistent": // the last three mean nothing on Linux, in docker too
	case "z", "Z":
		return problem.New("leave it out, and label the directory with chcon(1) where SELinux needs it",
			"option %s is refused: host files are never relabelled", option)
	case "U":
		return problem.New("leave it out", "option U is not needed: "+
			"what the container writes belongs to the owner of the host directory")
	case "suid", "dev":
		return problem.New("leave it out", "option %s is refused: "+
			"host files never gain privileges or devices inside", option)
	case "shared", "rshared", "slave", "rslave":
		return problem.New("leave it out", "option %s is refused: "+
			"mounts are private, so that none passes between host and container", option)
	default:
		return problem.New("options are ro, rw, exec and noexec", "mount option %q is not known", option)
	}
	return nil
}

// maxPath is PATH_MAX of limits.h(0p), with its final zero byte.
const maxPath = 4096

// checkSource accepts host paths only.
func checkSource(source string) error {
	if err := checkEither(source); err != nil || isHostPath(source) {
		return err
	}
	return problem.New("write ./"+source+" for a directory, or type=volume for the volume of that name",
		"%q is no path of the host", source)
}

func checkPathBytes(p string) error {
	if len(p) >= maxPath || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return problem.New("leave control characters out, and keep it below 4096 bytes", "%.40q is not a usable path", p)
	}
	return nil
}

// cleanTarget makes a path inside the container canonical.
func cleanTarget(target string) (string, error) {
	if !path.IsAbs(target) {
		return "", problem.New("write it from the root, for example /data",
			"the container path %q is not absolute", target)
	}
	clean := path.Clean(target)
	if clean == "/" {
		return "", problem.New("mount it below the root, or run it as an image: dir:PATH",
			"the container's root cannot be mounted over")
	}
	return clean, checkPathBytes(clean)
}
