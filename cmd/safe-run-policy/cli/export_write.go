package cli

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
)

// placed is a file of an export with its place on this host.
type placed struct {
	path string
	file export.File
	temp string
}

// placesFor finds what is wrong with where the files go, before anything is said of
// them.
func (o *exportOptions) placesFor(t *exportTarget, files []export.File) error {
	switch {
	case o.diff != "":
		return isThere(o.diff)
	case o.output == "-":
		_, err := t.one(files)
		return err
	}
	all, err := t.places(o.output, files)
	if err != nil || o.strict {
		return err
	}
	for _, p := range all {
		if err := mayWrite(p.path, o.force); err != nil {
			return err
		}
	}
	return nil
}

// writeExport puts the files where --output says.
func (a *app) writeExport(o *exportOptions, t *exportTarget, files []export.File) error {
	if o.output == "-" {
		data, err := t.one(files)
		if err == nil {
			_, err = a.std.Out.Write(data)
		}
		return err
	}
	all, err := t.places(o.output, files)
	if err != nil {
		return err
	}
	return writeAll(all, o.force)
}

// one puts the files into one.
func (t *exportTarget) one(files []export.File) ([]byte, error) {
	switch {
	case t.stream != nil:
		return t.stream(files)
	case len(files) == 1:
		return files[0].Data, nil
	}
	return nil, problem.New("write them to a directory: --output DIR", "%s cannot be put into one", counted(len(files), "file"))
}

// places says where each file goes: below a directory that is there, or whose
// name ends in / or has no extension where there are several files; else it is
// one file.
func (t *exportTarget) places(output string, files []export.File) ([]placed, error) {
	info, err := os.Stat(output)
	switch {
	case err == nil && info.IsDir(), strings.HasSuffix(output, "/"),
		err != nil && len(files) > 1 && filepath.Ext(output) == "":
		var all []placed
		for _, f := range files {
			if !fs.ValidPath(f.Path) {
				return nil, errors.New("the export has a file at " + path.Clean(f.Path) + ", which is a mistake in safe-run")
			}
			all = append(all, placed{path: filepath.Join(output, filepath.FromSlash(f.Path)), file: f})
		}
		return all, nil
	}
	data, err := t.one(files)
	if err != nil {
		return nil, err
	}
	return []placed{{path: output, file: export.File{Data: data, Executable: len(files) == 1 && files[0].Executable}}}, nil
}

// writeAll writes all files beside their places first, and puts them in place
// when all of them are whole.
func writeAll(all []placed, force bool) (err error) {
	for _, p := range all {
		if err := mayWrite(p.path, force); err != nil {
			return err
		}
	}
	defer func() {
		for _, p := range all {
			if p.temp != "" {
				_ = os.Remove(p.temp) // what is in place has no such name any more
			}
		}
	}()
	for i := range all {
		if err := all[i].write(); err != nil {
			return problem.New("choose another --output", "%w", err)
		}
	}
	for _, p := range all {
		if force {
			err = os.Rename(p.temp, p.path)
		} else {
			// link(2) fails where a file has come in between.
			err = os.Link(p.temp, p.path)
		}
		if err != nil {
			return problem.New("choose another --output, or overwrite with --force", "%w", err)
		}
	}
	return nil
}

// mayWrite refuses what would be lost.
func mayWrite(path string, force bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return problem.New("choose another --output", "%w", err)
	case !info.Mode().IsRegular():
		return problem.New("choose another --output, or - for standard output", "%s is there, and no plain file", path)
	case !force:
		return problem.New("overwrite it with --force, or see what would change with --diff", "%s is there already", path)
	}
	return nil
}

// write makes the file beside its place, whole and on the disk.
func (p *placed) write() error {
	dir := filepath.Dir(p.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".safe-run-export-*")
	if err != nil {
		return err
	}
	p.temp = f.Name()
	mode := fs.FileMode(0o644)
	if p.file.Executable {
		mode = 0o755
	}
	_, err = f.Write(p.file.Data)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}
