package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
		return problem.New("name the file or the directory of an older export", "%w", err)
	}
	if !info.IsDir() {
		data, err := t.one(files)
		if err != nil {
			return err
		}
		files = []export.File{{Data: data}}
	}
	changed := false
	if info.IsDir() {
		gone, err := onlyIn(old, files)
		if err != nil {
			return err
		}
		for _, path := range gone {
			changed = true
			fmt.Fprintf(a.std.Out, "only in %s: %s\n", printable(old), printable(path))
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
