package spec

import (
	"path"
	"slices"
	"strings"
)

// SensitiveHostPath says whether a path of the host is one that no container is
// given unless its profile names it, and why: for the judge of configurations
// that others wrote.
func SensitiveHostPath(source string, write bool) (why string, sensitive bool) {
	source = path.Clean("/" + source)
	if why, sensitive = sessionPath(source); sensitive {
		return why, true
	}
	if write {
		return writtenPath(source)
	}
	return sensitivePath(source)
}

// ReachesEngine says whether a path of the host is a container engine's socket,
// or a directory where they lie.
func ReachesEngine(source string) bool {
	source = path.Clean("/" + source)
	if rest, ok := strings.CutPrefix(source, "/var/run"); ok {
		source = "/run" + rest
	}
	if slices.Contains(engineSockets, path.Base(source)) {
		return true
	}
	return slices.ContainsFunc(hostPaths, func(h hostPath) bool {
		return h.why == whyEngine && (source == h.path || below(h.path, source) || below(source, h.path))
	})
}
