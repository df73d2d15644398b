package image

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// DefaultStore is where images are kept, unless the variable SAFE_RUN_STORE
// names another directory.
const DefaultStore = "/var/lib/safe-run"

const storeVariable = "SAFE_RUN_STORE"

// storeDir is the directory that is meant by dir, which may be empty.
func storeDir(dir string) string {
	return cmp.Or(dir, os.Getenv(storeVariable), DefaultStore)
}

// Store is a directory of images:
//
//	refs/<hex>.json             what a reference means: Record
//	images/sha256-<hex>.json    an image by its manifest digest: Entry
//	layers/<hex>                one directory a layer, by chain id; overlayfs puts them together
//	blobs/<hex>                 manifests, configs and layers as they were published, by digest
//	partial/<hex>               blobs that are not complete, to go on with
//	locks/                      flock(2)s of images, layers, blobs and the store
//	tmp/                        work that is not finished, or was interrupted
type Store struct {
	dir string // absolute, symbolic links resolved
}

var storeDirs = []string{"blobs", "images", "layers", "locks", "partial", "refs", "tmp"}

// OpenStore opens the store at dir; the empty string is the default one.
// Whoever may write to it decides what root runs: it must belong to the caller
// and be writable for nobody else. errors.Is(err, fs.ErrNotExist) when there
// is none.
func OpenStore(dir string) (*Store, error) {
	dir = storeDir(dir)
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return nil, problem.New("name another directory with SAFE_RUN_STORE", "image store %s: %w", dir, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(abs, &st); err != nil {
		return nil, problem.New("name another directory with SAFE_RUN_STORE", "image store %s: %w", dir, err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return nil, problem.New("name another directory with SAFE_RUN_STORE", "image store %s is not a directory", dir)
	case int(st.Uid) != os.Geteuid():
		return nil, problem.New("run as its owner, or name another directory with SAFE_RUN_STORE",
			"image store %s belongs to uid %d, not to uid %d", dir, st.Uid, os.Geteuid())
	case st.Mode&0o022 != 0:
		return nil, problem.New("chmod go-w "+dir, "image store %s can be written by others (mode %04o)", dir, st.Mode&0o7777)
	}
	return &Store{dir: abs}, nil
}

// CreateStore opens the store at dir and makes what is missing of it, whatever
// the umask.
func CreateStore(dir string) (*Store, error) {
	dir = storeDir(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, problem.New("name another directory with SAFE_RUN_STORE", "image store %s: %w", dir, err)
	}
	// A store that is there keeps its mode: OpenStore judges it.
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, problem.New("run as root, or name another directory with SAFE_RUN_STORE", "image store %s: %w", dir, err)
	}
	s, err := OpenStore(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range storeDirs {
		path := s.path(name)
		if isDirectory(path) {
			continue
		}
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, problem.New("run as root, or name another directory with SAFE_RUN_STORE", "image store %s: %w", dir, err)
		}
		if err := os.Chmod(path, 0o700); err != nil {
			return nil, fmt.Errorf("image store %s: %w", dir, err)
		}
	}
	return s, nil
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// Path is the store's own directory, absolute, symbolic links resolved.
func (s *Store) Path() string { return s.dir }

// Layer is the absolute path of the directory of a chain id.
func (s *Store) Layer(chain string) string { return s.path("layers", hexOf(chain)) }

// Blob is the absolute path of a complete blob.
func (s *Store) Blob(digest string) string { return s.path("blobs", hexOf(digest)) }

// Partial is the absolute path of a blob that is not complete.
func (s *Store) Partial(digest string) string { return s.path("partial", hexOf(digest)) }

// Tmp is the absolute path of the directory of unfinished work.
func (s *Store) Tmp() string { return s.path("tmp") }

// hexOf is a valid digest without its algorithm.
func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

// fileName is a valid digest as the name of a file.
func fileName(digest string) string { return strings.Replace(digest, ":", "-", 1) }
