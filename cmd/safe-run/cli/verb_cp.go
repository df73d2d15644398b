package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/copy"
	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// streamed is the path that means standard input or output.
const streamed = "-"

// cpVerb is `safe-run cp SRC DEST`.
func (a *app) cpVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cp [flags] NAME:SRC DEST|- | SRC|- NAME:DEST", Short: "copy files between a container that runs and the host", GroupID: groupManage,
		Long: "copy files between a container that runs and the host; one side is a container's, written NAME:PATH. A path of the host that has a colon is written with ./ or / in front.\n\n" +
			"A directory is copied into a destination that is a directory, and its content when SRC ends in /. ; a destination that is not there is made, in a directory that is. " +
			"With - an archive (tar) is written to standard output, or read from standard input.\n\n" +
			"What the container's processes see is what is copied: volumes, memory, and mounts that cannot be written. Links below SRC are copied as links, and none below DEST is followed. " +
			"On the host a DEST that is a link is replaced itself, because an earlier copy may have brought it; written with a slash at the end, the directory that it leads to is meant. " +
			"Copies belong to the container's user inside, to you outside; setuid and setgid bits are lost. " +
			"With -a owners keep their numbers, and inside and in archives files keep these bits; on the host they are lost all the same, because the container's root would be the host's. " +
			"Devices, sockets and extended attributes are not copied, nor are FIFOs to the host, nor what the kernel makes as it is read (/proc, /sys).",
		Example: "  safe-run cp site:/var/log/app.log .\n  safe-run cp ./conf/. site:/data/conf\n  safe-run cp site:/data - | gzip > data.tar.gz",
		Args:    arguments(2, 2, "SRC DEST"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeCopied,
	}
	var job copy.Job
	var quiet bool
	cmd.Flags().BoolVarP(&job.Archive, "archive", "a", false, "keep owners by their numbers, and setuid bits except on the host")
	cmd.Flags().BoolVarP(&job.Follow, "follow-link", "L", false, "copy what SRC points to, where it is a link")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not say what is copied")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c := copying{app: a, job: job, quiet: quiet, from: sideOf(args[0]), to: sideOf(args[1])}
		if err := c.check(); err != nil {
			return err
		}
		ctx, signals := catchSignals(cmd.Context(), false)
		defer signals.stop()
		err := c.run(ctx)
		if ctx.Err() != nil {
			return signals.instead(errors.Join(ctx.Err(), err))
		}
		return err
	}
	return cmd
}

// side is one of the two places of a copy; container is empty for the host.
type side struct{ typed, container, path string }

// sideOf reads NAME:PATH as docker does: what begins with a slash or a dot is
// the host's, whatever colons it has.
func sideOf(typed string) side {
	container, path, found := strings.Cut(typed, ":")
	if !found || strings.HasPrefix(typed, "/") || strings.HasPrefix(container, ".") {
		return side{typed: typed, path: typed}
	}
	return side{typed, container, path}
}

// copying is one `safe-run cp`.
type copying struct {
	*app
	job      copy.Job
	quiet    bool
	from, to side
}

// check refuses what needs no look at anything.
func (c *copying) check() error {
	hint := "write safe-run cp NAME:SRC DEST, or safe-run cp SRC NAME:DEST"
	for _, e := range []side{c.from, c.to} {
		switch {
		case e.typed == "":
			return problem.New(hint, "a path is empty")
		case strings.HasPrefix(e.typed, ":"):
			return problem.New(hint, "%.200q names no container", printable(e.typed))
		}
	}
	switch {
	case c.from.container != "" && c.to.container != "":
		return problem.New("copy to the host, and from there: safe-run cp "+printable(c.from.typed)+" - | safe-run cp - "+printable(c.to.typed),
			"files are not copied from one container to another")
	case c.from.container == "" && c.to.container == "":
		return problem.New(hint, "neither %.200s nor %.200s is a path of a container", printable(c.from.typed), printable(c.to.typed))
	case c.to.path == streamed && c.to.container == "" && term.IsTerminal(int(c.std.Out.Fd())):
		return problem.New("write it to a file: safe-run cp "+printable(c.from.typed)+" - > FILE.tar", "an archive is not written to a terminal")
	case c.from.path == streamed && c.from.container == "" && term.IsTerminal(int(c.std.In.Fd())):
		return problem.New("read it from a file: safe-run cp - "+printable(c.to.typed)+" < FILE.tar", "an archive is not read from a terminal")
	}
	return nil
}

// run copies, and says what was copied.
func (c *copying) run(ctx context.Context) error {
	live, err := openToLook(c.from.container + c.to.container)
	if sandbox.IsNotFound(err) {
		err = c.colon(err)
	}
	if err != nil {
		return err
	}
	defer live.Close()
	files, err := live.Files()
	if err != nil {
		return asRoot(err)
	}
	defer files.Root.Close()
	told := newCopied(c, live.Name())
	c.job.Progress, c.job.LeftOut = told.more, told.leftOut
	c.job.From, c.job.To = copy.End{Tree: copy.Host(), Path: c.from.path}, copy.End{Tree: files, Path: c.to.path}
	if c.from.container != "" {
		c.job.From.Tree, c.job.To.Tree = files, copy.Host()
	}
	done, err := c.stream(ctx)
	if err != nil {
		return err
	}
	err = c.job.Run(ctx)
	if failed := done(err); failed != nil && ctx.Err() == nil && (err == nil || c.to.container == "") {
		err = failed // why the other end of the pipe is gone
	}
	if err = told.end(err); err == nil {
		live.TellCopy(c.from.typed, c.to.typed)
	}
	return err
}

// colon helps where a file of the host has a colon in its name.
func (c *copying) colon(err error) error {
	for _, side := range []side{c.from, c.to} {
		if _, missing := os.Lstat(side.typed); side.container != "" && missing == nil {
			return problem.New("if the file of that name is meant, write ./"+printable(side.typed), "%w", err)
		}
	}
	return err
}

// stream puts the program that knows archives where one side is "-". The copy
// is followed by done, which is told how it went.
func (c *copying) stream(ctx context.Context) (done func(error) error, err error) {
	var archive *image.Archive
	var in io.Reader
	var out io.Writer
	switch {
	case c.from.container == "" && c.from.path == streamed:
		archive, in, err = image.OpenArchive(ctx, c.std.In)
		c.job.From.Stream = in
	case c.to.container == "" && c.to.path == streamed:
		archive, out, err = image.CreateArchive(ctx, c.std.Out)
		c.job.To.Stream = out
	default:
		return func(error) error { return nil }, nil
	}
	if err != nil {
		return nil, err
	}
	return func(failed error) error {
		if failed != nil {
			return archive.Stop()
		}
		return archive.Close()
	}, nil
}

// openToLook opens a container whose files are to be looked at.
func openToLook(ref string) (*sandbox.Live, error) {
	live, err := sandbox.OpenLive(state.DefaultRoot, ref)
	if errors.Is(err, sandbox.ErrNotRunning) {
		err = problem.New("start it again: safe-run start "+printable(ref)+"; files that are to stay belong on a mount or a volume",
			"container %s does not run, and what it wrote outside of mounts went with it", printable(ref))
	}
	return live, asRoot(err)
}

// completeCopied completes the container of NAME:PATH, and leaves paths of the
// host to the shell.
func completeCopied(cmd *cobra.Command, args []string, word string) (ends []string, _ cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if strings.ContainsAny(word, ":/.") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	names, _ := completeRunning(cmd, nil, word)
	for _, name := range names {
		if strings.HasPrefix(name, word) {
			ends = append(ends, fmt.Sprintf("%s:", name))
		}
	}
	return ends, cobra.ShellCompDirectiveNoSpace
}
