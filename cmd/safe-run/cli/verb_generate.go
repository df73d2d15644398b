package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/quote"
)

// generateVerb is `safe-run generate systemd NAME`.
func (a *app) generateVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "generate COMMAND", Short: "make systemd units for containers", GroupID: groupManage,
		Long: "make systemd units for containers", Example: "  safe-run generate systemd --new --files site",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(problem.New("write safe-run generate systemd NAME", "generate makes no %q", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.generateSystemdVerb())
	return cmd
}

// generateFlags are the flags of generate systemd.
type generateFlags struct {
	fresh, files, name, noHeader, boot bool
	restart, program                   string
	timeout                            int
	after, wants, requires             []string
}

func (a *app) generateSystemdVerb() *cobra.Command {
	var f generateFlags
	cmd := &cobra.Command{
		Use: "systemd [flags] NAME|ID", Short: "make a systemd unit that runs a container",
		Long: "make a systemd unit that starts a detached container, or with --new runs it anew each time. " +
			"systemd hears when the container runs, or is ready as its --sdnotify says.\n\n" +
			"The values of variables are in no unit, because `systemctl show` shows a unit to everybody: with --new they go into a file beside it " +
			"that only its owner can read, which takes --files. With --boot it is the unit that starts all containers again " +
			"whose restart policy is always or unless-stopped.",
		Example:               "  safe-run generate systemd site\n  cd /etc/systemd/system && safe-run generate systemd --new --files --name site",
		DisableFlagsInUseLine: true, ValidArgsFunction: completeContainers,
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.fresh, "new", false, "run the container anew, and do not start the one there is")
	fs.BoolVar(&f.files, "files", false, "write files in this directory, and print their paths")
	fs.BoolVarP(&f.name, "name", "n", false, "call the container by its name, not by its id")
	fs.StringVar(&f.restart, "restart-policy", "", "systemd's `Restart=` (default: the container's restart policy)")
	fs.IntVarP(&f.timeout, "stop-timeout", "t", 0, "`seconds` until SIGKILL (default: the container's own)")
	fs.StringArrayVar(&f.after, "after", nil, "`UNIT` to start after")
	fs.StringArrayVar(&f.wants, "wants", nil, "`UNIT` to start, too")
	fs.StringArrayVar(&f.requires, "requires", nil, "`UNIT` to start, and not to run without")
	fs.BoolVar(&f.noHeader, "no-header", false, "leave out the comment at the top")
	fs.BoolVar(&f.boot, "boot", false, "make the unit "+bootUnitName)
	fs.StringVar(&f.program, "program", "", "`PATH` of safe-run in the unit (default: this one)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		made, notes, err := f.make(cmd, args)
		if err != nil {
			return err
		}
		for _, note := range notes {
			report(a.std.Err, paletteFor(a.std.Err), note)
		}
		return a.hand(made, f.files)
	}
	return cmd
}

// madeFile is a file for people to install.
type madeFile struct {
	name, text string
	mode       os.FileMode
}

// make makes the files that are asked for, the unit first, with what is to be
// said about them.
func (f generateFlags) make(cmd *cobra.Command, args []string) (made []madeFile, notes []error, err error) {
	program, err := f.executable()
	if err != nil {
		return nil, nil, err
	}
	if f.boot {
		if err := arguments(0, 0, "")(cmd, args); err != nil {
			return nil, nil, err
		}
		text, err := bootUnit(program)
		return []madeFile{{bootUnitName, text, 0o644}}, nil, err
	}
	if err := arguments(1, 1, "NAME")(cmd, args); err != nil {
		return nil, nil, err
	}
	u := unit{Program: program, New: f.fresh, ByName: f.name, Restart: f.restart, After: f.after, Wants: f.wants, Requires: f.requires, Header: !f.noHeader}
	if err := f.check(cmd, &u); err != nil {
		return nil, nil, usageError(err)
	}
	t, err := locate(args[0])
	if err != nil {
		return nil, nil, err
	}
	switch {
	case t.foreground:
		return nil, nil, problem.New("run it with -d", "%s runs in the foreground: how it was made is not kept", t.Name)
	case t.AutoRemove && !f.fresh:
		return nil, nil, problem.New("add --new", "%s was made with --rm, and is gone when it has ended: there is nothing to start again", t.Name)
	}
	u.container = t.Container
	made, err = u.files(f.files)
	return made, u.notes(), err
}

// notes are what else is to be done, so that the unit works.
func (u unit) notes() (notes []error) {
	name, policy := u.container.Name, u.container.Restart.Policy
	switch {
	case u.New:
		notes = append(notes, problem.New("remove it before the unit is started: safe-run rm -f "+name,
			"warning: the unit runs a container of the name %s, which the one there is has", name))
	case policy != "" && policy != restartNo:
		notes = append(notes, problem.New("leave that to systemd: safe-run update --restart no "+name,
			"warning: %s is started again by its own restart policy (%s), too", name, policy))
	}
	return notes
}

// executable is the path of safe-run in units.
func (f generateFlags) executable() (string, error) {
	program := f.program
	if program == "" {
		var err error
		if program, err = os.Executable(); err != nil {
			return "", problem.New("write --program with the path of safe-run", "where safe-run is: %w", err)
		}
	}
	odd := strings.ContainsFunc(program, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'\$%`, r) })
	if !filepath.IsAbs(program) || odd {
		return "", problem.New("write --program /usr/local/bin/safe-run", "%.100q cannot be a program in a unit", program)
	}
	return program, nil
}

// check checks the flags and completes u by them.
func (f generateFlags) check(cmd *cobra.Command, u *unit) error {
	if cmd.Flags().Changed("restart-policy") && !slices.Contains(systemdRestarts, f.restart) {
		return problem.New("write "+strings.Join(systemdRestarts, ", "), "--restart-policy: %.60q is none of systemd's", f.restart)
	}
	if cmd.Flags().Changed("stop-timeout") {
		if f.timeout < 0 || f.timeout > int(maxGrace/time.Second) {
			return problem.New("write 0 to 86400", "--stop-timeout %d is not a time span", f.timeout)
		}
		u.StopTimeout = new(time.Duration(f.timeout) * time.Second)
	}
	for flag, names := range map[string][]string{"--after": f.after, "--wants": f.wants, "--requires": f.requires} {
		for _, name := range names {
			if err := quote.CheckUnitName(flag, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// files gives the unit, and the file of the container's variables.
func (u unit) files(written bool) ([]madeFile, error) {
	made := []madeFile{{name: u.stem() + ".service", mode: 0o644}}
	if env := u.variables(); u.New && len(env) > 0 {
		names := variableNames(env)
		if !written {
			return nil, problem.New("add --files, which writes them beside the unit into a file that only its owner can read",
				"the values of %s may be secrets, and are not printed", names)
		}
		text, err := envFileText(env)
		if err != nil {
			return nil, err
		}
		dir, err := os.Getwd()
		if err != nil {
			return nil, problem.New("cd to a directory that is there", "the directory you are in is gone: %w", err)
		}
		made = append(made, madeFile{u.stem() + ".env", text, 0o600})
		u.EnvFile = filepath.Join(dir, made[1].name)
	}
	var err error
	made[0].text, err = u.render()
	return made, err
}

func variableNames(env []string) string {
	var names []string
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, printable(name))
	}
	return strings.Join(names, ", ")
}

// envFileText writes a file for --env-file. What does not come back from it as
// it was is refused: the format has no quotes.
func envFileText(env []string) (string, error) {
	text := strings.Join(env, "\n") + "\n"
	for _, entry := range env {
		back, err := parseEnvFile("", []byte(entry+"\n"), func(string) (string, bool) { return "", false })
		if err != nil || len(back) != 1 || back[0] != entry {
			return "", problem.New("leave out --new, or make the container anew with the value in a file that is mounted",
				"a file of variables cannot hold the value of %s, for its line breaks or its beginning", variableNames([]string{entry}))
		}
	}
	if len(text) > maxEnvFile {
		return "", problem.New("leave out --new", "the variables are more than %d KiB", maxEnvFile>>10)
	}
	return text, nil
}

// hand prints what was made, or writes it into the directory.
func (a *app) hand(made []madeFile, written bool) error {
	shown := map[string]string{}
	for _, f := range made {
		shown[f.name] = f.text
		if !written {
			continue
		}
		path, err := filepath.Abs(f.name)
		if err == nil {
			err = writeNew(path, f)
		}
		if err != nil {
			return problem.New("go to a directory that you may write to, and remove what is there under this name", "write %s: %w", f.name, err)
		}
		shown[f.name] = path
		if f.mode == 0o600 {
			report(a.std.Err, paletteFor(a.std.Err), problem.New("leave it where it is: the unit names it",
				"warning: %s holds the values of %s, which may be secrets; only its owner can read it", path, variableNames(strings.Split(strings.TrimSpace(f.text), "\n"))))
		}
	}
	if a.format == formatJSON {
		return writeJSON(a.std.Out, shown)
	}
	for _, f := range made {
		text := shown[f.name]
		if written {
			text = printable(text) + "\n"
		}
		if _, err := fmt.Fprint(a.std.Out, text); err != nil {
			return err
		}
	}
	return nil
}

// writeNew puts a whole file in the place of what is there, which may be an
// older unit, and never writes through a link.
func writeNew(path string, f madeFile) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".safe-run-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // it is gone when it was renamed
	_, err = temp.WriteString(f.text)
	if err = errors.Join(err, temp.Chmod(f.mode), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
