package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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
