package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.podman.io/image/v5/docker/policyconfiguration"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// scoped is an image as policy.json scopes it: enough of a reference of
// containers/image to be judged by, nothing that could be read from. The
// scopes are those of containers/image for its own transports, without their
// code: that of docker-daemon and containers-storage would bring clients and
// stores along. It has no containerd: an image from there is scoped by its
// name, as docker-daemon's is, below the transport "containerd", and by the
// default where policy.json has no such transport.
type scoped struct {
	transport  string
	identity   string
	namespaces []string
	named      reference.Named      // nil when it has no name
	remote     types.ImageReference // in its registry; nil when it comes from none
	partly     bool                 // the scopes may be more than namespaces has
}

// scope finds the scopes of s.
func scope(s Subject) (*scoped, error) {
	rest, ok := strings.CutPrefix(s.Reference, s.Transport+":")
	if !ok {
		return nil, fmt.Errorf("it does not start with its transport, %q", plain(s.Transport))
	}
	return scopeOf(s, rest, resolve)
}

// resolve follows the links of a path as far as it exists. The source of an
// image of the store may be gone: then its path is what was resolved when it
// was there.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for there := path; ; there = filepath.Dir(there) {
		resolved, err := filepath.EvalSymlinks(there)
		if err == nil {
			return filepath.Join(resolved, path[len(there):]), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || there == "/" {
			return "", err
		}
	}
}

// scopeOf is scope with the paths resolved by resolve.
func scopeOf(s Subject, rest string, resolve func(string) (string, error)) (*scoped, error) {
	switch s.Transport {
	case "docker":
		return dockerScope(s.Repository, strings.TrimPrefix(rest, "//"))
	case "docker-daemon", "containerd":
		return namedScope(s.Transport, rest)
	case "docker-archive":
		return &scoped{transport: s.Transport}, nil
	case "containers-storage":
		return storageScope(s.Store, rest)
	case "oci", "oci-archive":
		path, _, _ := strings.Cut(rest, ":")
		return pathScope(s.Transport, path, resolve)
	case "dir":
		return pathScope(s.Transport, rest, resolve)
	}
	return nil, fmt.Errorf("it comes from %q, which has no scope", plain(s.Transport))
}

// parseName reads a name as docker does, with a tag or a digest; latest when
// it has neither. Of both the digest counts.
func parseName(s string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return nil, err
	}
	if canonical, ok := named.(reference.Canonical); ok {
		return reference.WithDigest(reference.TrimNamed(named), canonical.Digest())
	}
	return reference.TagNameOnly(named), nil
}

// dockerScope is the scope of an image of a registry. Its repository is the one
// that was found, which a short name leaves open.
func dockerScope(repository, rest string) (*scoped, error) {
	named, err := parseName(rest)
	if err != nil {
		return nil, err
	}
	if repository != "" {
		full := repository
		switch n := named.(type) {
		case reference.Canonical:
			full += "@" + n.Digest().String()
		case reference.NamedTagged:
			full += ":" + n.Tag()
		}
		if named, err = parseName(full); err != nil {
			return nil, err
		}
	}
	remote, err := remoteReference(named.String())
	if err != nil {
		return nil, err
	}
	return &scoped{
		transport: "docker", named: named, remote: remote,
		identity: remote.PolicyConfigurationIdentity(), namespaces: remote.PolicyConfigurationNamespaces(),
	}, nil
}

// namedScope is the scope of an image in an engine: its name, or none when it
// is named by its id.
func namedScope(transport, rest string) (*scoped, error) {
	if _, err := v1.NewHash("sha256:" + strings.TrimPrefix(rest, "sha256:")); err == nil {
		return &scoped{transport: transport}, nil
	}
	named, err := parseName(rest)
	if err != nil {
		return nil, err
	}
	identity, err := policyconfiguration.DockerReferenceIdentity(named)
	if err != nil {
		return nil, err
	}
	return &scoped{
		transport: transport, named: named,
		identity: identity, namespaces: policyconfiguration.DockerReferenceNamespaces(named),
	}, nil
}

// storageScope is the scope of an image in podman's storage, which begins with
// the store.
func storageScope(store, rest string) (*scoped, error) {
	if strings.HasPrefix(rest, "[") {
		end := strings.Index(rest, "]")
		if end < 0 {
			return nil, errors.New("its store has no end")
		}
		store, rest = rest[:end+1], rest[end+1:]
	}
	s := &scoped{transport: "containers-storage", partly: store == ""}
	rest, id, _ := strings.Cut(strings.TrimPrefix(rest, "@"), "@")
	s.identity = store + rest
	if named, err := parseName(rest); err == nil {
		s.named, s.identity = named, store+named.String()
		for _, name := range policyconfiguration.DockerReferenceNamespaces(named) {
			if !strings.HasPrefix(name, "*.") {
				s.namespaces = append(s.namespaces, store+name)
			}
		}
	}
	if id != "" {
		s.namespaces = append([]string{s.identity}, s.namespaces...)
		s.identity += "@" + id
	}
	s.namespaces = append(s.namespaces, store)
	if _, root, ok := strings.Cut(store, "@"); ok {
		s.namespaces = append(s.namespaces, "["+root)
	}
	return s, nil
}

// pathScope is the scope of an image in files: its path and those above.
func pathScope(transport, path string, resolve func(string) (string, error)) (*scoped, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	s := &scoped{transport: transport, identity: path}
	for i := strings.LastIndex(path, "/"); i > 0; i = strings.LastIndex(path, "/") {
		path = path[:i]
		s.namespaces = append(s.namespaces, path)
	}
	return s, nil
}

// knownTo refuses a policy that has scopes which this image might be in and
// that cannot be told.
func (s *scoped) knownTo(p *signature.Policy) error {
	if !s.partly {
		return nil
	}
	for name := range p.Transports[s.transport] {
		if name != "" {
			return fmt.Errorf("it has the scope %q, and the store of the image is not known", plain(name))
		}
	}
	return nil
}

// shown is the image as a person finds it in policy.json.
func (s *scoped) shown() string {
	if s.identity == "" {
		return s.transport
	}
	return plain(s.transport + " " + s.identity)
}

var errNoSource = errors.New("it is only judged, never read")

// Transport implements types.ImageReference.
func (s *scoped) Transport() types.ImageTransport { return named(s.transport) }

// StringWithinTransport implements types.ImageReference.
func (s *scoped) StringWithinTransport() string { return s.identity }

// DockerReference implements types.ImageReference.
func (s *scoped) DockerReference() reference.Named { return s.named }

// PolicyConfigurationIdentity implements types.ImageReference.
func (s *scoped) PolicyConfigurationIdentity() string { return s.identity }

// PolicyConfigurationNamespaces implements types.ImageReference.
func (s *scoped) PolicyConfigurationNamespaces() []string { return s.namespaces }

// NewImage implements types.ImageReference.
func (s *scoped) NewImage(context.Context, *types.SystemContext) (types.ImageCloser, error) {
	return nil, errNoSource
}

// NewImageSource implements types.ImageReference.
func (s *scoped) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return nil, errNoSource
}

// NewImageDestination implements types.ImageReference.
func (s *scoped) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	return nil, errNoSource
}

// DeleteImage implements types.ImageReference.
func (s *scoped) DeleteImage(context.Context, *types.SystemContext) error { return errNoSource }

// named is a transport that has nothing but its name.
type named string

// Name implements types.ImageTransport.
func (n named) Name() string { return string(n) }

// ParseReference implements types.ImageTransport.
func (n named) ParseReference(string) (types.ImageReference, error) { return nil, errNoSource }

// ValidatePolicyConfigurationScope implements types.ImageTransport.
func (n named) ValidatePolicyConfigurationScope(string) error { return nil }
