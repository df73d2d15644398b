package trust

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// checkRegistry wants the image's repository below an allowed one.
func checkRegistry(_ context.Context, t spec.Trust, s Subject) ([]Step, error) {
	if t.Registries == nil {
		return nil, nil
	}
	name := plain(s.Reference)
	if s.Repository == "" {
		return nil, problem.New("run it from its registry, or take the registries out of the profile",
			"image %s is from no registry, and only %s may be run from", name, list(t.Registries))
	}
	repository, ok := repositoryName(s.Repository)
	if !ok {
		return nil, problem.New("write its name in full, such as docker://ghcr.io/acme/app", "image %s is of %q, which names no repository", name, plain(s.Repository))
	}
	for _, allowed := range t.Registries {
		if below(registryName(allowed), repository) {
			return []Step{{Name: "registry", Held: plain(allowed)}}, nil
		}
	}
	return nil, problem.New("add its registry to image.registries of the profile, and of the floor where that has one, if it is to be trusted",
		"image %s is of %s, and only %s may be run from", name, plain(repository), list(t.Registries))
}

// list names the registries that are allowed.
func list(registries []string) string {
	if len(registries) == 0 {
		return "no registry"
	}
	return plain(strings.Join(registries, ", "))
}

// below reports whether the repository is parent, or below it at a slash.
func below(parent, repository string) bool {
	return parent != "" && (repository == parent || strings.HasPrefix(repository, parent+"/"))
}

// hub are the names that one registry goes by.
var hub = []string{"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}

// registryName writes an allowed registry or path as repositoryName writes
// repositories.
func registryName(allowed string) string {
	registry, path, found := strings.Cut(strings.TrimRight(allowed, "/"), "/")
	if registry = hostName(registry); !found {
		return registry
	}
	return registry + "/" + path
}

// hostName writes a registry's host in one way: small letters, without the
// port that is the default one.
func hostName(name string) string {
	name = strings.ToLower(name)
	// Without its port a host that has no dot would be read as a path.
	if bare := strings.TrimSuffix(name, ":443"); isHost(bare) {
		name = bare
	}
	if slices.Contains(hub, name) {
		return "docker.io"
	}
	return name
}

// isHost reports whether the first part of a name is a registry, as docker
// tells it from a path.
func isHost(part string) bool {
	return strings.ContainsAny(part, ".:") || part == "localhost"
}

// host is a name or an address, with a port or not.
var host = regexp.MustCompile(`^(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:[0-9]+)?$`)

// repositoryName writes a repository in full, as docker reads it: without a
// host it is docker.io's, and docker.io's own images are in library. false
// when it is no repository.
func repositoryName(s string) (string, bool) {
	registry, path, found := strings.Cut(s, "/")
	if !found || !isHost(strings.ToLower(registry)) {
		registry, path = "docker.io", s
	}
	// As it is written: without the default port, "a.b:443:443" would be one.
	if !host.MatchString(strings.ToLower(registry)) {
		return "", false
	}
	if registry = hostName(registry); registry == "docker.io" && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return "", false
		}
	}
	return registry + "/" + path, true
}
