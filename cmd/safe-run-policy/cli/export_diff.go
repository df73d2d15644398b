package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/diff"
	"github.com/safe-run/safe-run/spec/problem"
)

// mostOld bounds a file of an older export.
const mostOld = 8 << 20

// diffExport shows what is other than in an older export. The exit code is
// diff(1)'s: 1 when something is.
func (a *app) diffExport(old string, t *exportTarget, files []export.File) error {
	info, err := os.Stat(old)
	if err != nil {
		return isThere(old)
	}
	if !info.IsDir() {
		if files, err = t.against(old, files); err != nil {
			return err
		}
	}
	changed := false
	if info.IsDir() {
		gone, err := onlyIn(old, files)
		if err != nil {
			return err
		}
		for _, path := range gone {
			changed = true
			fmt.Fprintf(a.std.Out, "only in %s: %s%s\n", printable(old), printable(path), t.left(old, path))
		}
	}
	for _, f := range files {
		path := old
		if f.Path != "" {
			path = filepath.Join(old, filepath.FromSlash(f.Path))
		}
		was, err := policies.ReadBounded(path, mostOld)
		label := path
		if errors.Is(err, fs.ErrNotExist) {
			label, err = "/dev/null", nil
		}
		if err != nil {
			return err
		}
		text := diff.Unified(label, "(new)/"+filepath.Base(path), was, f.Data)
		if text == "" {
			continue
		}
		changed = true
		if _, err := a.std.Out.Write([]byte(text)); err != nil {
			return err
		}
	}
	if changed {
		return errNo
	}
	return nil
}

// isThere says that an older export is not there.
func isThere(old string) error {
	if _, err := os.Stat(old); err != nil {
		return problem.New("name the file or the directory of an older export", "--diff %w", err)
	}
	return nil
}

// against are the files that an older one is compared with: the one of its name, where
// it is one of an export in a directory, or all of them in one.
func (t *exportTarget) against(old string, files []export.File) ([]export.File, error) {
	was, err := policies.ReadBounded(old, mostOld)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if len(files) > 1 && path.Base(f.Path) == filepath.Base(old) && !bytes.Contains(was, []byte("\n---\n")) {
			return []export.File{{Data: f.Data}}, nil
		}
	}
	data, err := t.one(files)
	return []export.File{{Data: data}}, err
}

// left says what becomes of what an older file made.
func (t *exportTarget) left(old, below string) string {
	if t.remove == "" || !slices.Contains([]string{".yaml", ".json"}, filepath.Ext(below)) {
		return ""
	}
	return " (what it made stays until: " + t.remove + " " + printable(filepath.Join(old, below)) + ")"
}

// mostFiles bounds the look at a directory: no export has as many.
const mostFiles = 1000

// onlyIn lists the files of an older export that the new one does not have: what
// they made stays in a cluster until somebody deletes it.
func onlyIn(dir string, files []export.File) ([]string, error) {
	var gone []string
	seen := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if seen++; seen > mostFiles {
			return fs.SkipAll
		}
		below, err := filepath.Rel(dir, path)
		there := slices.ContainsFunc(files, func(f export.File) bool { return filepath.FromSlash(f.Path) == below })
		if entry.Type().IsRegular() && !there {
			gone = append(gone, below)
		}
		return err
	})
	if err != nil {
		return nil, problem.New("name the file or the directory of an older export", "%w", err)
	}
	return gone, nil
}
