package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/safe-run-image/pack"
	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/pull"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func (a *app) importVerb() *cobra.Command {
	limits := bounds.Default
	var config spec.ImageConfig
	cmd := &cobra.Command{
		Use:   "import [flags] SOURCE NAME",
		Short: "bring an image or a root filesystem into the store under a name",
		Long: `bring an image or a root filesystem into the store under a name, so that
safe-run NAME runs it whatever becomes of the source.

SOURCE is oci:DIR[:ref], oci-archive:FILE[:ref], docker-archive:FILE[:ref], the
image of another engine, dir:ROOTFS, a tar of a root filesystem, or - for one
from standard input. The same directory always makes the same image: all its
times are set to SOURCE_DATE_EPOCH, or to 1970; owners and permissions are kept,
devices, sockets and extended attributes are not. --user, --cmd and the like say
how a root filesystem is run.`,
		Example: "  safe-run image import docker-archive:app.tar app:1.0\n  safe-run image import dir:./rootfs app --entrypoint /usr/bin/app\n  debootstrap --variant=minbase stable ./rootfs && tar -C rootfs -c . | safe-run image import - debian:mine",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return badUsage(cmd.CommandPath(), "import takes a source and a name")
			}
			return nil
		},
	}
	limitFlags(cmd.Flags(), &limits)
	configFlags(cmd.Flags(), &config)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := newName(args[1])
		if err != nil {
			return usage{err}
		}
		o, err := a.pullOptions(cmd, limits)
		if err != nil {
			return err
		}
		what, err := a.imported(cmd, args[0], config)
		if err != nil {
			return err
		}
		p := newProgress(a.std.Err, args[1], a.quiet)
		o.Progress, o.Note, o.Tell = p.show, p.say, p.tell
		record, err := pull.Import(cmd.Context(), what, name, o)
		p.end(err)
		if err != nil {
			return err
		}
		if a.format == formatJSON {
			return json.NewEncoder(a.std.Out).Encode(record)
		}
		_, err = fmt.Fprintln(a.std.Out, record.Digest)
		return err
	}
	return cmd
}

// imported reads what SOURCE means.
func (a *app) imported(cmd *cobra.Command, source string, config spec.ImageConfig) (what pull.Imported, err error) {
	if what.Created, err = sourceDate(cmd.CommandPath()); err != nil {
		return what, err
	}
	if what.Created.IsZero() {
		what.Created = time.Unix(0, 0)
	}
	what.Config = config
	if source == "-" {
		what.From, what.Rootfs = "dir:/dev/stdin", a.standardInput
		return what, nil
	}
	ref, err := image.Parse(source)
	if info, statErr := os.Stat(source); statErr == nil && (err != nil || ref.Transport == image.Named) && !info.IsDir() {
		ref, err = image.Reference{Transport: image.Program, Path: "./" + source}, nil // a file, although a name could be written so
	}
	if err != nil {
		return what, err
	}
	switch {
	case ref.Transport == image.Dir:
		dir, err := pack.Directory(ref.Path, "write dir:ROOTFS")
		if err != nil {
			return what, err
		}
		what.From = "dir:" + dir
		what.Rootfs = func(ctx context.Context, w io.Writer) error { return pack.Tar(ctx, w, dir, what.Created) }
	case ref.Transport == image.Program:
		path, err := image.Locate(ref)
		if err != nil {
			return what, err
		}
		what.From = "dir:" + path.Path
		what.Rootfs = func(ctx context.Context, w io.Writer) error { return copyTar(ctx, w, ref.Path) }
	case ref.Transport == image.Named && isDirectory(source):
		return what, problem.New("write dir:"+source, "%s is a directory", source)
	case ref.Transport == image.Named || ref.Transport == image.Docker:
		return what, problem.New("safe-run image pull "+source+" brings it; safe-run image tag gives it another name", "%s is not a file", ref)
	default:
		if configured(cmd) {
			return what, badUsage(cmd.CommandPath(), "%s has a config of its own: flags for a root filesystem do not change it", ref)
		}
		what.Reference = source
	}
	return what, nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// configured says whether the config of a root filesystem was written.
func configured(cmd *cobra.Command) bool {
	for _, name := range configFlagNames {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}

func (a *app) standardInput(ctx context.Context, w io.Writer) error {
	_, err := io.Copy(w, contextReader{ctx, a.std.In})
	return err
}

// copyTar copies a regular file.
func copyTar(ctx context.Context, w io.Writer, path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return problem.New("for a root filesystem write dir:"+path+", for an OCI layout oci:"+path, "it is a directory")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	_, err = io.Copy(w, contextReader{ctx, f})
	return err
}

// contextReader is a reader that fails when ctx is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
