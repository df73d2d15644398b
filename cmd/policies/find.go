// Package policies finds profiles and the administrator's floor on this host, for
// the programs that need them: what --profile may name, what a floor may extend,
// and who must own a file that is to be believed.
package policies

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

// Host is where the administrator's profiles and floor are. Nothing that a user
// can set changes it, or the floor would be no floor; tests do.
type Host struct {
	// Etc is the directory, and Owner must own what is below it.
	Etc   string
	Owner uint32
}

// Here is this host.
var Here = Host{Etc: "/etc/safe-run"}

// Finder finds what --profile may name: a path, a built-in profile, one of the
// user's own, one of the administrator's. A built-in name always means the
// built-in profile.
func (h Host) Finder() profiles.Finders {
	finders := profiles.Finders{FileFinder{Read: ReadProfile}, builtin.Finder{}}
	if dir := userProfiles(); dir != "" {
		finders = append(finders, DirFinder{Dir: dir, Read: ReadProfile})
	}
	return append(finders, DirFinder{Dir: h.Profiles(), Read: ReadProfile})
}

// FloorFinder finds what a floor may extend: nothing that a user can write.
func (h Host) FloorFinder() profiles.Finders {
	return profiles.Finders{
		FileFinder{Read: h.ReadTrusted}, builtin.Finder{}, DirFinder{Dir: h.Profiles(), Read: h.ReadTrusted},
	}
}

// Profiles is the directory of the administrator's profiles.
func (h Host) Profiles() string { return filepath.Join(h.Etc, "profiles") }

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

// FileFinder reads profiles named by path.
type FileFinder struct {
	Read func(path string) ([]byte, error)
}

// Find implements profiles.Finder.
func (f FileFinder) Find(name string) (source string, data []byte, err error) {
	if !isPath(name) {
		return "", nil, fs.ErrNotExist
	}
	data, err = f.Read(name)
	return name, data, err
}

// DirFinder finds NAME.yaml in a directory.
type DirFinder struct {
	Dir  string
	Read func(path string) ([]byte, error)
}

// Find implements profiles.Finder.
func (f DirFinder) Find(name string) (source string, data []byte, err error) {
	if isPath(name) || name == "" || name[0] == '.' {
		return "", nil, fs.ErrNotExist
	}
	for _, extension := range extensions {
		source = filepath.Join(f.Dir, name+extension)
		if data, err = f.Read(source); !errors.Is(err, fs.ErrNotExist) {
			return source, data, err
		}
	}
	return source, nil, err
}

// Names lists the profiles of the directory, sorted.
func (f DirFinder) Names() []string {
	entries, err := os.ReadDir(f.Dir)
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

// ReadProfile reads a profile of whoever asks.
func ReadProfile(path string) ([]byte, error) { return ReadBounded(path, profiles.MaxSize) }

// ReadTrusted reads a file that only the administrator can have written: it
// and the directory that holds it, where symbolic links lead to.
func (h Host) ReadTrusted(path string) ([]byte, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	data, err := ReadProfile(path)
	if err != nil {
		return nil, err
	}
	for _, p := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if info.Sys().(*syscall.Stat_t).Uid != h.Owner || info.Mode()&0o022 != 0 {
			return nil, problem.New("chown root:root "+p+" && chmod go-w "+p,
				"%s can be changed by others than root", p)
		}
	}
	return data, nil
}
