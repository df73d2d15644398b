package cli

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

const volumeHint = "write it as HOST:CONTAINER[:ro,exec], for example -v ./data:/data"

// parseVolume reads docker's grammar of --volume, host:container[:options].
// The source is as typed: statBind looks at it.
func parseVolume(text string) (spec.Bind, error) {
	bind := spec.Bind{Flag: "--volume " + text}
	parts := strings.SplitN(text, ":", 3)
	if len(parts) == 1 {
		return bind, problem.New(volumeHint,
			"%q names no host path, and volumes that docker makes up are not there", text)
	}
	if err := checkSource(parts[0]); err != nil {
		return bind, err
	}
	bind.Source = parts[0]
	target, err := cleanTarget(parts[1])
	if err != nil {
		return bind, err
	}
	bind.Target = target
	if len(parts) == 2 {
		return bind, nil
	}
	for _, option := range strings.Split(parts[2], ",") {
		if err := setBindOption(&bind, option); err != nil {
			return bind, err
		}
	}
	return bind, nil
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

// checkSource accepts host paths only: docker takes a bare word for the name
// of a volume that it keeps, and such volumes are not there.
func checkSource(source string) error {
	switch {
	case source == "":
		return problem.New(volumeHint, "the host path is empty")
	case strings.HasPrefix(source, "~"):
		return problem.New("write $HOME instead of ~", "the shell has not replaced ~ in %q", source)
	case filepath.IsAbs(source), source == ".", source == "..",
		strings.HasPrefix(source, "./"), strings.HasPrefix(source, "../"):
		return checkPathBytes(source)
	}
	return problem.New("use a directory: mkdir ./"+source+" and write ./"+source,
		"%q is the name of a volume, and named volumes are not there yet", source)
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
