package copy

import (
	"errors"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// source is what is copied: opened only to name it.
type source struct {
	words
	file *os.File
	st   unix.Stat_t
}

// source finds what is to be copied. A link at its end is copied as a link,
// unless it is to be followed or the path ends in a slash or a dot.
func (t *Tree) source(typed string, follow bool) (*source, error) {
	w, err := t.words(typed)
	if err != nil {
		return nil, err
	}
	flags := unix.O_PATH
	if !follow && !w.dir {
		flags |= unix.O_NOFOLLOW
	}
	s := &source{words: w}
	if s.file, err = t.open(w.path, flags); err == nil {
		s.st, err = stat(s.file)
	}
	if err == nil && w.dir && !isDir(s.st) {
		err = unix.ENOTDIR
	}
	if err != nil {
		s.close()
		return nil, t.missing(typed, err)
	}
	return s, nil
}

func (s *source) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// missing says that a path the user named cannot be used.
func (t *Tree) missing(typed string, err error) error {
	where := shown(typed)
	if t.Container != "" {
		where = t.Container + ":" + where
	}
	hint := ""
	switch {
	case errors.Is(err, unix.ENOENT) && t.Container == "":
		hint = "a path of a container is written NAME:PATH"
	case errors.Is(err, unix.ENOENT):
		hint = "its paths are meant from its root"
	case errors.Is(err, unix.ELOOP):
		hint = "a link there leads back to itself, or to a file of the kernel"
	case errors.Is(err, unix.ENOTDIR):
		hint = "a file is written without a slash at the end"
	case errors.Is(err, unix.EACCES):
		hint = "run safe-run as root"
	}
	return problem.New(hint, "%s: %w", where, err)
}

// dest is where a copy goes: dir is the destination when that is a directory,
// else the one above, in which it is called base.
type dest struct {
	words
	found
	dir *os.File
	// held: a link at its end is taken for itself.
	held bool
}

// where is the path of dir, for people.
func (d *dest) where() string {
	if d.found.dir {
		return d.path
	}
	return path.Dir(d.path)
}

// maxLinks is the kernel's own bound on links in one path.
const maxLinks = 40

// dest finds the destination. Links at its end are followed, also one to a file
// that is not there yet. On the host they are not when a stranger's files are
// copied: an earlier copy may have brought the link. Only a slash or a dot after
// it says that the directory is meant to which it leads.
func (t *Tree) dest(typed string, strange bool) (*dest, error) {
	w, err := t.words(typed)
	if err != nil {
		return nil, err
	}
	d, at := &dest{words: w, held: strange && t.Root == nil}, w.path
	if d.held && w.dir {
		if d.dir, err = t.open(w.path, unix.O_PATH|unix.O_DIRECTORY); err == nil {
			d.exists, d.found.dir = true, true
			return d, nil
		}
	}
	for range maxLinks {
		// Not path.Dir, which would take ".." behind a link for the link's.
		cut := strings.LastIndexByte(strings.TrimRight(at, "/"), '/')
		above, base := at[:cut+1], strings.TrimRight(at, "/")[cut+1:]
		if base == "" || base == "." || base == ".." {
			d.exists, d.found.dir = true, true
			d.dir, err = t.open(at, unix.O_PATH|unix.O_DIRECTORY)
			break
		}
		var target string
		if target, err = d.look(t, above, base); target == "" || err != nil {
			break
		}
		if at = target; !strings.HasPrefix(target, "/") {
			at = above + target
		}
		err = unix.ELOOP
	}
	if err != nil {
		return nil, t.missing(typed, err)
	}
	return d, nil
}

// look sees what is called base in the directory above, and gives a link's
// target.
func (d *dest) look(t *Tree, above, base string) (target string, err error) {
	parent, err := t.open(above, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		if errors.Is(err, unix.ENOENT) {
			err = problem.New("make it first", "the directory %s does not exist: %w", shown(above), err)
		}
		return "", err
	}
	f, err := openAt(parent, base, unix.O_PATH)
	if errors.Is(err, unix.ENOENT) {
		d.dir, d.base = parent, base
		return "", nil
	}
	var st unix.Stat_t
	if err == nil {
		st, err = stat(f)
	}
	switch {
	case err != nil:
	case isDir(st):
		d.exists, d.found.dir, d.dir = true, true, f
		parent.Close()
		return "", nil
	case isLink(st) && d.held:
		f.Close()
		d.exists, d.link, d.dir, d.base = true, true, parent, base
		return "", nil
	case isLink(st):
		target, err = readlink(f)
		f.Close()
		parent.Close()
		return target, err
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err = problem.New("to standard output it is written with -", "%s is neither a file nor a directory", shown(d.typed))
	default:
		f.Close()
		d.exists, d.dir, d.base = true, parent, base
		return "", nil
	}
	if f != nil {
		f.Close()
	}
	parent.Close()
	return "", err
}
