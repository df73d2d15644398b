package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// etcDir holds the administrator's files, and etcOwner must own them. Tests move
// them; nothing that a user can set does.
var (
	etcDir          = "/etc/safe-run"
	etcOwner uint32 = 0
)

// config is /etc/safe-run/oci.yaml.
type config struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	// Profile is for every bundle that names none: a built-in profile, one of
	// /etc/safe-run/profiles, or a path.
	Profile string `yaml:"profile"`
	// OnConflict is what becomes of that which a bundle asks and its profile
	// forbids: "refuse" (the container is not made) or "strip".
	OnConflict string `yaml:"onConflict"`
}

const (
	kindOCI          = "OCI"
	onConflictRefuse = "refuse"
	onConflictStrip  = "strip"
)

// readOCIConfig reads oci.yaml; without one, nothing is configured.
func readOCIConfig() (config, error) {
	name := filepath.Join(etcDir, "oci.yaml")
	data, err := readTrusted(name)
	if errors.Is(err, fs.ErrNotExist) {
		return config{OnConflict: onConflictRefuse}, nil
	}
	if err != nil {
		return config{}, err
	}
	c, err := parseConfig(data)
	if err != nil {
		return config{}, problem.New("it has apiVersion: "+profiles.APIVersion+", kind: OCI, profile: NAME, onConflict: refuse or strip",
			"%s: %s", name, printable(err.Error()))
	}
	return c, nil
}

func parseConfig(data []byte) (config, error) {
	c := config{}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		return c, err
	}
	if err := decoder.Decode(&config{}); !errors.Is(err, io.EOF) {
		return c, errors.New("there is more than one document")
	}
	if c.OnConflict == "" {
		c.OnConflict = onConflictRefuse
	}
	switch {
	case c.APIVersion != profiles.APIVersion:
		return c, fmt.Errorf("apiVersion is %q, not %q", c.APIVersion, profiles.APIVersion)
	case c.Kind != kindOCI:
		return c, fmt.Errorf("kind is %q, not %q", c.Kind, kindOCI)
	case c.OnConflict != onConflictRefuse && c.OnConflict != onConflictStrip:
		return c, fmt.Errorf("onConflict is %q, not refuse or strip", c.OnConflict)
	}
	return c, nil
}

// pathFinder reads profiles that are named by an absolute path.
type pathFinder struct{}

// Find implements profiles.Finder.
func (pathFinder) Find(name string) (string, []byte, error) {
	if !filepath.IsAbs(name) {
		return "", nil, fs.ErrNotExist
	}
	data, err := readTrusted(name)
	return name, data, err
}

// directoryFinder finds NAME.yaml in a directory.
type directoryFinder struct{ dir string }

// Find implements profiles.Finder.
func (f directoryFinder) Find(name string) (source string, data []byte, err error) {
	if name == "" || strings.ContainsAny(name, "/\x00") || name[0] == '.' {
		return "", nil, fs.ErrNotExist
	}
	for _, extension := range []string{".yaml", ".yml", ".json"} {
		source = filepath.Join(f.dir, name+extension)
		if data, err = readTrusted(source); !errors.Is(err, fs.ErrNotExist) {
			return source, data, err
		}
	}
	return source, nil, err
}

// readTrusted reads a file that only the administrator can have written: it
// and the directory that holds it, where symbolic links lead to.
func readTrusted(name string) ([]byte, error) {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	dir, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	for _, i := range []os.FileInfo{info, dir} {
		if i.Sys().(*syscall.Stat_t).Uid != etcOwner || i.Mode()&0o022 != 0 {
			return nil, problem.New("chown root:root and chmod go-w it and its directory", "%s can be changed by others than root", name)
		}
	}
	if !info.Mode().IsRegular() || info.Size() > profiles.MaxSize {
		return nil, problem.New("write a smaller one", "%s is not a file of at most %d bytes", name, profiles.MaxSize)
	}
	return io.ReadAll(io.LimitReader(f, profiles.MaxSize))
}
