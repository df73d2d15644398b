package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/problem"
)

// etcDir holds the administrator's profiles and floor. Tests move it; nothing
// that a user can set does, or the floor would be no floor.
var etcDir = "/etc/safe-run"

// etcOwner must own what is below etcDir.
var etcOwner uint32

// profileFinder finds what --profile may name: a path, a built-in profile, one
// of the user's own, one of the administrator's. A built-in name always means
// the built-in profile.
func profileFinder() profiles.Finders {
	finders := profiles.Finders{fileFinder{read: readProfile}, builtin.Finder{}}
	if dir := userProfiles(); dir != "" {
		finders = append(finders, dirFinder{dir: dir, read: readProfile})
	}
	return append(finders, dirFinder{dir: filepath.Join(etcDir, "profiles"), read: readProfile})
}

// floorFinder finds what a floor may extend: nothing that a user can write.
func floorFinder() profiles.Finders {
	return profiles.Finders{
		fileFinder{read: readTrusted}, builtin.Finder{},
		dirFinder{dir: filepath.Join(etcDir, "profiles"), read: readTrusted},
	}
}

// userProfiles is where a user keeps profiles (XDG Base Directory
// Specification); empty when there is no home.
func userProfiles() string {
	config, err := os.UserConfigDir()
	if err != nil || !filepath.IsAbs(config) {
		return ""
	}
	return filepath.Join(config, "safe-run", "profiles")
}

// extensions of profile documents; JSON is YAML.
var extensions = []string{".yaml", ".yml", ".json"}

// isPath says whether a profile's name is a path.
func isPath(name string) bool {
	return strings.Contains(name, "/") || slices.Contains(extensions, filepath.Ext(name))
}

// fileFinder reads profiles named by path.
type fileFinder struct {
	read func(path string) ([]byte, error)
}

// Find implements profiles.Finder.
func (f fileFinder) Find(name string) (source string, data []byte, err error) {
	if !isPath(name) {
		return "", nil, fs.ErrNotExist
	}
	data, err = f.read(name)
	return name, data, err
}

// dirFinder finds NAME.yaml in a directory.
type dirFinder struct {
	dir  string
	read func(path string) ([]byte, error)
}

// Find implements profiles.Finder.
func (f dirFinder) Find(name string) (source string, data []byte, err error) {
	if isPath(name) || name == "" || name[0] == '.' {
		return "", nil, fs.ErrNotExist
	}
	for _, extension := range extensions {
		source = filepath.Join(f.dir, name+extension)
		if data, err = f.read(source); !errors.Is(err, fs.ErrNotExist) {
			return source, data, err
		}
	}
	return source, nil, err
}

// Names lists the profiles of the directory, sorted.
func (f dirFinder) Names() []string {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil // a directory that is not there holds none
	}
	var names []string
	for _, e := range entries {
		extension := filepath.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), extension)
		if slices.Contains(extensions, extension) && name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func readProfile(path string) ([]byte, error) { return readBounded(path, profiles.MaxSize) }

// readTrusted reads a file that only the administrator can have written: it
// and the directory that holds it, where symbolic links lead to.
func readTrusted(path string) ([]byte, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	data, err := readProfile(path)
	if err != nil {
		return nil, err
	}
	for _, p := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if info.Sys().(*syscall.Stat_t).Uid != etcOwner || info.Mode()&0o022 != 0 {
			return nil, problem.New("chown root:root "+p+" && chmod go-w "+p,
				"%s can be changed by others than root", p)
		}
	}
	return data, nil
}
