// Package volume keeps the volumes that containers share and that outlive them.
// A volume has a directory:
//
//	NAME/volume.json  what it is
//	NAME/_data        its files, with the ids that containers see
//	NAME/lock         locked by those who use it
//
// Owners are written down as containers number them, 0 to 65535, and each
// container gets them mapped to its own range. They are the ids of others on the
// host, so that nobody but root may reach them: the store is closed (0700).
//
// Whoever changes a volume holds flock(2) on its directory; a volume comes and
// goes by rename(2), so that there is never half of one.
package volume

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// DefaultDir is where volumes are kept.
const DefaultDir = "/var/lib/safe-run/volumes"

// dirVariable names another directory.
const dirVariable = "SAFE_RUN_VOLUMES"

// The files of a volume.
const (
	recordFile = "volume.json"
	dataDir    = "_data"
	lockFile   = "lock"
	fillDir    = "_fill" // the image's content on its way to _data
)

// What begins the name of a directory that is being made or removed. No
// volume's name does.
const (
	newPrefix  = ".new-"
	gonePrefix = ".gone-"
)

var (
	// ErrNotFound says that no volume is meant.
	ErrNotFound = errors.New("no such volume")
	// ErrDamaged says that a volume is not as it was left.
	ErrDamaged = errors.New("it is damaged")
	// ErrInUse says that a container has a volume.
	ErrInUse = errors.New("it is in use")
)

// Volume is what a volume is.
type Volume struct {
	Name    string            `json:"name"`
	Created time.Time         `json:"created"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Size bounds what is in it, in bytes; 0 is no bound. Project is the quota
	// that the filesystem keeps it by.
	Size    int64  `json:"size,omitempty"`
	Project uint32 `json:"project,omitempty"`
	// Anonymous: nobody gave it its name.
	Anonymous bool `json:"anonymous,omitempty"`
	// Container is the id of the one that it goes with; empty: it stays.
	Container string `json:"container,omitempty"`
	// Fresh: no container has used it.
	Fresh bool `json:"fresh,omitempty"`
}

// Store is a directory of volumes.
type Store struct{ dir string }

// Dir is the directory of the store that an empty name means.
func Dir() string { return cmp.Or(os.Getenv(dirVariable), DefaultDir) }

// DataPath is where the files of a volume are, or will be.
func DataPath(name string) string { return filepath.Join(Dir(), name, dataDir) }

// Open opens the store in dir, and makes it when it is missing. An empty dir is
// the one that SAFE_RUN_VOLUMES names, or DefaultDir.
func Open(dir string) (*Store, error) {
	s := &Store{dir: cmp.Or(dir, Dir())}
	if !filepath.IsAbs(s.dir) {
		return nil, problem.New("write it from /", "the volumes' directory %.80q is not an absolute path", s.dir)
	}
	return s, private(s.dir)
}

// private makes dir when it is missing, and closes it to others.
func private(dir string) error {
	const hint = "run safe-run as root"
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return problem.New(hint, "cannot make the store of volumes: %w", err)
		}
		info, err = os.Lstat(dir)
	}
	if err != nil {
		return problem.New(hint, "cannot open the store of volumes: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.IsDir():
		return problem.New("move it away, or name another directory in "+dirVariable, "the store of volumes is no directory: %s", dir)
	case os.Geteuid() != int(owner) && os.Geteuid() == 0:
		return problem.New("chown root "+dir+", when you know what is in it", "the store of volumes belongs to somebody else: %s", dir)
	case os.Geteuid() != int(owner):
		return problem.New(hint, "cannot open the store of volumes: %w", &os.PathError{Op: "open", Path: dir, Err: os.ErrPermission})
	case info.Mode().Perm()&0o077 != 0:
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// Root is the store's directory.
func (s *Store) Root() string { return s.dir }

// DataPath is where the files of a volume are.
func (s *Store) DataPath(name string) string { return filepath.Join(s.dir, name, dataDir) }

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// maxName is NAME_MAX.
const maxName = 255

// ValidName says whether a name is docker's kind: letters, digits, '_', '.' and
// '-', of which the first is a letter or a digit, and at least two.
func ValidName(name string) bool {
	if len(name) < 2 || len(name) > maxName {
		return false
	}
	for i, r := range name {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alphanumeric && (i == 0 || !strings.ContainsRune("_.-", r)) {
			return false
		}
	}
	return true
}

// CheckName says what is wrong with a name.
func CheckName(name string) error {
	if ValidName(name) {
		return nil
	}
	return problem.New("use letters, digits, '_', '.' and '-', from 2 to 255 of them", "%.80q cannot be the name of a volume", name)
}

func notFound(name string) error {
	return problem.New("`safe-run volume ls` lists them", "%.80q: %w", name, ErrNotFound)
}

func damaged(name, why string) error {
	return problem.New("look at it, and remove it with its files: safe-run volume rm -f "+name, "volume %.80s: %w: %s", name, ErrDamaged, why)
}
