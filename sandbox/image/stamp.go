package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Stamp identifies one state of a file. Whoever changes the content changes
// the inode, the size or the change time (ctime cannot be set, inode(7)).
type Stamp struct {
	Path    string `json:"path"` // absolute
	Dev     uint64 `json:"dev"`
	Ino     uint64 `json:"ino"`
	Size    int64  `json:"size"`    // bytes
	MtimeNS int64  `json:"mtimeNS"` // nanoseconds since 1970
	CtimeNS int64  `json:"ctimeNS"` // nanoseconds since 1970
}

// Fresh reports whether all files still are what they were.
func Fresh(stamps []Stamp) bool {
	for _, s := range stamps {
		if now, err := StampOf(s.Path); err != nil || now != s {
			return false
		}
	}
	return true
}

// Locate makes a reference what records are kept under: a path absolute with
// its symbolic links resolved, a name with its tag.
func Locate(r Reference) (Reference, error) {
	if !r.IsFile() {
		return r.Full(), nil
	}
	path, err := resolve(r)
	if err != nil {
		return Reference{}, err
	}
	r.Path = path
	return r, nil
}

// Stamps takes the stamps of the files that decide what a located image is:
// the archive, or a layout's index.json and oci-layout. Nil when it is no file.
func Stamps(r Reference) ([]Stamp, error) {
	var files []string
	switch r.Transport {
	case OCI:
		files = []string{filepath.Join(r.Path, "index.json"), filepath.Join(r.Path, "oci-layout")}
	case OCIArchive, DockerArchive:
		files = []string{r.Path}
	}
	var stamps []Stamp
	for _, file := range files {
		stamp, err := StampOf(file)
		if err != nil {
			return nil, notThatForm(r, r.Path, err)
		}
		stamps = append(stamps, stamp)
	}
	return stamps, nil
}

// errIrregular says that a file that is read is not a plain file.
var errIrregular = errors.New("not a regular file")

// StampOf takes the stamp of a regular file.
func StampOf(path string) (Stamp, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Stamp{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return Stamp{}, &fs.PathError{Op: "read", Path: path, Err: errIrregular}
	}
	return Stamp{
		Path: path, Dev: uint64(st.Dev), Ino: st.Ino, Size: st.Size,
		MtimeNS: st.Mtim.Nano(), CtimeNS: st.Ctim.Nano(),
	}, nil
}

// resolve gives the absolute path of r with its symbolic links resolved.
func resolve(r Reference) (string, error) {
	path, err := filepath.Abs(r.Path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err == nil {
		return path, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		hint := "check the path"
		if r.Tag != "" && exists(r.Path+":"+r.Tag) {
			hint = "the path ends at the first colon: rename it so that it has none"
		} else if near := nearFile(r.Path); near != "" {
			hint = "did you mean " + near + " ?"
		} else if !filepath.IsAbs(r.Path) {
			hint = "check the path, which begins in the directory you are in"
		}
		return "", problem.New(hint, "image %s: there is no %s", r, quoteOdd(r.Path))
	}
	return "", problem.New("", "image %s: %w", r, err)
}

// notThatForm explains why the file at path is not of r's transport.
func notThatForm(r Reference, path string, err error) error {
	isDir := isDirectory(path)
	switch {
	case r.Transport == OCI && !isDir:
		return problem.New("for a tar file write oci-archive:FILE or docker-archive:FILE", "image %s: %s is not a directory", r, quoteOdd(r.Path))
	case r.Transport == OCI && errors.Is(err, fs.ErrNotExist):
		return problem.New("an OCI layout has oci-layout and index.json; for a root filesystem write dir:"+r.Path,
			"image %s: %s is not an OCI layout: it has no %s", r, quoteOdd(r.Path), filepath.Base(pathOf(err)))
	case r.Transport != OCI && isDir:
		return problem.New("for an OCI layout write oci:"+r.Path+", for a root filesystem dir:"+r.Path,
			"image %s: %s is a directory, not an archive", r, quoteOdd(r.Path))
	}
	return problem.New("", "image %s: %w", r, err)
}

func pathOf(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Path
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// quoteOdd leaves a plain path alone and quotes one with odd characters.
func quoteOdd(path string) string {
	if strings.ContainsAny(path, " \"'\\") || strings.TrimSpace(path) != path {
		return `"` + path + `"`
	}
	return path
}
