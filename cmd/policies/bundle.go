package policies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"go.yaml.in/yaml/v3"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// ProfileAnnotation of a bundle names its profile.
const ProfileAnnotation = "safe-run.dev/profile"

// Front is a program that runs the bundles of container engines, by the kind of
// its configuration.
type Front string

// The fronts. OCI is safe-run-oci, with /etc/safe-run/oci.yaml; Shim is
// containerd's shim, with /etc/safe-run/shim.yaml.
const (
	OCI  Front = "OCI"
	Shim Front = "Shim"
)

// What becomes of that which a bundle asks and its profile forbids.
const (
	Refuse = "refuse" // the container is not made
	Strip  = "strip"
)

// BundleConfig is what an administrator says about the bundles of engines.
type BundleConfig struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	// Profile is for every bundle that names none: a built-in profile, one of
	// /etc/safe-run/profiles, or a path.
	Profile    string `yaml:"profile"`
	OnConflict string `yaml:"onConflict"`
	// Allow are the profiles that an annotation may name, which in a cluster
	// anybody writes who may make a pod. Of the shim only.
	Allow []string `yaml:"allow"`
	// Denials is a directory for what containers are refused, as
	// NAMESPACE/POD/denials.jsonl. Of the shim only.
	Denials string `yaml:"denials"`
	// Resolvers are the hosts that answer the containers' questions for names, such
	// as a cluster's DNS service, where a profile lets anything out. Of the shim only.
	Resolvers []netip.Addr `yaml:"resolvers"`
	// Accept are weakenings that are accepted beside those of the profile, within
	// the floor.
	Accept []profiles.Accept `yaml:"accept"`
}

// ConfigName is where a front is configured.
func (h Host) ConfigName(f Front) string {
	return filepath.Join(h.Etc, map[Front]string{OCI: "oci.yaml", Shim: "shim.yaml"}[f])
}

// BundleConfig reads the configuration of a front; without a file, nothing is
// configured.
func (h Host) BundleConfig(f Front) (BundleConfig, error) {
	c, err := h.ReadBundleConfig(f, h.ConfigName(f))
	if errors.Is(err, fs.ErrNotExist) {
		return BundleConfig{OnConflict: Refuse}, nil
	}
	return c, err
}

// ReadBundleConfig reads the configuration of a front from a file.
func (h Host) ReadBundleConfig(f Front, name string) (BundleConfig, error) {
	data, err := h.ReadTrusted(name)
	if err != nil {
		return BundleConfig{}, err
	}
	c, err := ParseBundleConfig(f, data)
	if err != nil {
		return BundleConfig{}, problem.New(
			fmt.Sprintf("it has apiVersion: %s, kind: %s, profile: NAME, onConflict: refuse or strip", profiles.APIVersion, f),
			"%s: %s", name, oneLine(err.Error()))
	}
	return c, nil
}

// ParseBundleConfig reads the configuration of a front.
func ParseBundleConfig(f Front, data []byte) (BundleConfig, error) {
	c := BundleConfig{}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		return c, err
	}
	if err := decoder.Decode(&BundleConfig{}); !errors.Is(err, io.EOF) {
		return c, errors.New("there is more than one document")
	}
	if c.OnConflict == "" {
		c.OnConflict = Refuse
	}
	switch {
	case c.APIVersion != profiles.APIVersion:
		return c, fmt.Errorf("apiVersion is %q, not %q", c.APIVersion, profiles.APIVersion)
	case c.Kind != string(f):
		return c, fmt.Errorf("kind is %q, not %q", c.Kind, f)
	case c.OnConflict != Refuse && c.OnConflict != Strip:
		return c, fmt.Errorf("onConflict is %q, not refuse or strip", c.OnConflict)
	case len(c.Allow) > 0 && f != Shim:
		return c, errors.New("allow is for kind Shim")
	case len(c.Resolvers) > 0 && f != Shim || slices.ContainsFunc(c.Resolvers, noResolver):
		return c, errors.New("resolvers is for kind Shim, and has addresses of hosts that answer for names; a metadata service is none")
	case slices.ContainsFunc(c.Accept, noAccept):
		return c, fmt.Errorf("accept has entries {name: NAME, why: ...}, of %s", strings.Join(weakenings(), ", "))
	case c.Denials != "" && (f != Shim || !filepath.IsAbs(c.Denials)):
		return c, errors.New("denials is for kind Shim, and an absolute path")
	}
	return c, nil
}

// noResolver says whether no resolver answers there, or what answers gives out
// more than names.
func noResolver(a netip.Addr) bool {
	return !a.IsValid() || a.Zone() != "" || a.Is4In6() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || slices.Contains(spec.Metadata(), a)
}

// noAccept says whether an entry of accept is none.
func noAccept(a profiles.Accept) bool {
	return strings.TrimSpace(a.Why) == "" || !slices.Contains(weakenings(), a.Name)
}

// weakenings are the names of what can be accepted.
func weakenings() (names []string) {
	for _, w := range profiles.Weakenings() {
		names = append(names, w.Name)
	}
	return names
}

// ForBundle is the profile that a bundle is held to: the one that it names
// itself, else the administrator's, else default where there is a floor, and
// always within the floor. nil when the administrator has written none of them
// and the bundle names none. What the administrator accepts is laid over it.
func (h Host) ForBundle(own, configured string, accept ...profiles.Accept) (*profiles.Profile, error) {
	floor, err := h.Floor()
	if err != nil {
		return nil, err
	}
	name, finders := configured, h.bundleFinders(true)
	if own != "" {
		name, finders = own, h.bundleFinders(false)
	}
	if name == "" {
		if floor == nil {
			return nil, nil
		}
		name = "default"
	}
	p, err := profiles.Resolve(name, finders)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, problem.New("name a built-in profile, or one of "+h.Profiles(), "there is no profile %q", oneLine(name))
	}
	if err != nil {
		return nil, err
	}
	if len(accept) > 0 {
		p = profiles.Layer(p, profiles.Profile{Accept: accept})
	}
	p = Tightened(p, floor)
	p.Metadata.Name = NameOf(p, name)
	return &p, nil
}

// bundleFinders find what only the administrator can have written. Paths, which
// are absolute, are for files of the administrator's to name, not for bundles.
func (h Host) bundleFinders(paths bool) profiles.Finders {
	var finders profiles.Finders
	if paths {
		finders = append(finders, FileFinder{Read: func(name string) ([]byte, error) {
			if !filepath.IsAbs(name) {
				return nil, fs.ErrNotExist
			}
			return h.ReadTrusted(name)
		}})
	}
	return append(finders, builtin.Finder{}, DirFinder{Dir: h.Profiles(), Read: h.ReadTrusted})
}

// ResolveSources follows the symbolic links of what is bind mounted, so that
// what is judged is what is mounted. Relative paths are below dir.
func ResolveSources(oci *specs.Spec, dir string) error {
	for i := range oci.Mounts {
		m := &oci.Mounts[i]
		if m.Type != "bind" && !slices.Contains(m.Options, "bind") && !slices.Contains(m.Options, "rbind") {
			continue
		}
		source := m.Source
		if !filepath.IsAbs(source) {
			source = filepath.Join(dir, source)
		}
		var err error
		if m.Source, err = filepath.EvalSymlinks(source); err != nil {
			return fmt.Errorf("mount at %s: %w", oneLine(m.Destination), err)
		}
	}
	return nil
}

// oneLine is text of others' without what moves a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
