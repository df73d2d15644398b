package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/pull"
	"github.com/safe-run/safe-run/spec/problem"
)

// saveForms is the hint that names the ways to write an image.
const saveForms = "write -o FILE, --to oci:DIR[:ref], --to oci-archive:FILE[:ref] or --to docker-archive:FILE:NAME"

func (a *app) saveVerb() *cobra.Command {
	var file, to string
	cmd := &cobra.Command{
		Use:   "save [flags] IMAGE",
		Short: "write an image of the store to a file",
		Long: `write an image of the store to a file: an OCI archive, unless --to says otherwise.
Manifest, config and layers are copied as they were published, so that digests
and signatures stay what they are; each is checked on the way. A docker archive
has no manifest and so another digest. Without -o and --to it goes to standard
output. A file is there whole, or not at all.`,
		Example:     "  safe-run image save nginx:1.27 -o nginx.tar\n  safe-run image save nginx:1.27 --to oci:./nginx\n  safe-run image save nginx:1.27 --to docker-archive:nginx.tar:nginx:1.27",
		Args:        images(1, 1),
		Annotations: map[string]string{},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "the file to write, as an OCI archive")
	cmd.Flags().StringVar(&to, "to", "", "where to write: oci:DIR[:ref], oci-archive:FILE[:ref] or docker-archive:FILE:NAME")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if file != "" && to != "" {
			return badUsage(cmd.CommandPath(), "-o and --to both say where to write")
		}
		target, err := saveTarget(file, to)
		if err != nil {
			return err
		}
		lib, err := openLibrary(a.store)
		if err != nil {
			return err
		}
		m, err := lib.whole(args[0])
		if err != nil {
			return err
		}
		lock, err := lib.store.Share(cmd.Context(), m.digest)
		if err != nil {
			return err
		}
		defer lock.Release()
		s := &saving{store: lib.store, m: m, target: target}
		if target.Path == "" {
			err = s.stream(cmd.Context(), a.std.Out)
		} else {
			err = s.write(cmd.Context())
		}
		if err != nil {
			return problem.New(problem.HintOf(err), "save %s: %w", args[0], err)
		}
		return a.saved(m.digest, target)
	}
	return cmd
}

// saved prints the digest, unless the image itself went to standard output.
func (a *app) saved(digest string, target image.Reference) error {
	if target.Path == "" {
		return nil
	}
	if a.format == formatJSON {
		return writeJSON(a.std.Out, map[string]string{"digest": digest, "image": target.String()})
	}
	_, err := fmt.Fprintln(a.std.Out, digest)
	return err
}

// saveTarget reads where to write; a path that is empty is standard output.
func saveTarget(file, to string) (image.Reference, error) {
	if to == "" {
		if file == "-" {
			file = ""
		}
		return image.Reference{Transport: image.OCIArchive, Path: file}, nil
	}
	ref, err := image.Parse(to)
	if err != nil {
		return ref, usage{problem.New(saveForms, "--to: %w", err)}
	}
	switch ref.Transport {
	case image.OCI, image.OCIArchive:
		return ref, nil
	case image.DockerArchive:
		if _, err := name.NewTag(ref.Tag); err != nil || ref.Tag == "" {
			return ref, usage{problem.New("name the image after the file, for example docker-archive:"+ref.Path+":app:1.0", "%s has no name that docker would load", ref)}
		}
		return ref, nil
	}
	return ref, usage{problem.New(saveForms, "an image cannot be written to %s", ref)}
}

// saving is one image on its way out.
type saving struct {
	store  *image.Store
	m      match
	target image.Reference
}

// how says how the image is named there.
func (s *saving) how() pull.Saved {
	how := pull.Saved{Form: s.target.Transport, Name: s.target.Tag}
	if r := s.m.record; r != nil && how.Form != image.DockerArchive {
		ref, err := image.Parse(r.Reference)
		if err != nil {
			return how
		}
		_, tag := named(ref)
		if tag != none {
			how.Name = cmp.Or(how.Name, tag)
			if r.Repository != "" {
				how.Known = r.Repository + ":" + tag
			}
		}
	}
	return how
}

// stream writes an archive to standard output, which is not a terminal.
func (s *saving) stream(ctx context.Context, w io.Writer) error {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return problem.New(saveForms+", or redirect standard output", "an image is not written to a terminal")
	}
	return s.archive(ctx, w)
}

func (s *saving) archive(ctx context.Context, w io.Writer) error {
	out := pull.NewTarFiles(w)
	if err := pull.Save(ctx, s.store, s.m.entry, s.how(), out); err != nil {
		return err
	}
	return out.Close()
}

// write writes beside the target first, and gives it the name when all is on
// disk.
func (s *saving) write(ctx context.Context) (err error) {
	path, err := filepath.Abs(s.target.Path)
	if err != nil {
		return err
	}
	if err := free(path, s.target.Transport == image.OCI); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(path), ".safe-run-save-")
	if errors.Is(err, fs.ErrNotExist) {
		return problem.New("mkdir -p "+filepath.Dir(path), "there is no directory %s", filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	made := filepath.Join(work, "image")
	if s.target.Transport == image.OCI {
		if err := os.Mkdir(made, 0o755); err != nil {
			return err
		}
		err = pull.Save(ctx, s.store, s.m.entry, s.how(), pull.DirFiles{Dir: made})
	} else {
		err = s.file(ctx, made)
	}
	if err != nil {
		return err
	}
	return os.Rename(made, path)
}

func (s *saving) file(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = s.archive(ctx, f)
	return errors.Join(err, f.Sync(), f.Close())
}

// free refuses a place that has what renaming would not replace, or must not.
func free(path string, dir bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case dir && info.IsDir():
		if list, err := os.ReadDir(path); err != nil || len(list) > 0 {
			return problem.New("name a new or empty directory", "%s is not empty", path)
		}
		return nil
	case info.IsDir():
		return problem.New("name a file, or write --to oci:"+path, "%s is a directory", path)
	case dir || !info.Mode().IsRegular():
		return problem.New("name a new one; to write into a pipe or device, redirect standard output", "%s is there and is not what would be written", path)
	}
	return nil
}
