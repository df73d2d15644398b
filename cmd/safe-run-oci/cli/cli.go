// Package cli is the command line of safe-run-oci: runc's verbs, flags, exit
// codes and JSON, so that what drives runc drives this.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec/problem"
)

// IO are the standard streams. A detached container inherits them.
type IO struct{ In, Out, Err *os.File }

// Exit codes, which are runc's.
const (
	exitFailed     = 1
	exitExecFailed = 255
	exitNoVerb     = 3
)

// app is one run of the program.
type app struct {
	std  IO
	argv string // what the program was called by
	name string // its last part: a link named "runc" is runc to who calls it

	debug, systemd                        bool
	log, logFormat, root, rootless        string
	rootGiven, rootFromEnv, logOnStandard bool
}

// verb is one command.
type verb struct {
	name, usage, args string
	least, most       int  // arguments; most < 0 is any number
	inOrder           bool // flags end at the first argument
	declare           func(*flags)
	run               func(args []string) (int, error)
}

// Main runs the command line and gives the exit code.
func Main(args []string, std IO) int {
	a := &app{std: std, argv: args[0], name: filepath.Base(args[0]), logOnStandard: true}
	logrus.SetOutput(std.Err)
	logrus.SetLevel(logrus.InfoLevel)
	code, err := a.main(args[1:])
	if err != nil {
		a.report(err)
	}
	return code
}

// report says what failed where runc's callers look for it: in the log, and on
// standard error when the log is elsewhere.
func (a *app) report(err error) {
	text := err.Error()
	if hint := problem.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	logrus.Error(text)
	if !a.logOnStandard {
		fmt.Fprintln(a.std.Err, text)
	}
}

// failure is an error with an exit code of its own.
type failure struct {
	code int
	error
}

func (f failure) Unwrap() error { return f.error }

func (a *app) main(args []string) (int, error) {
	f := newFlags()
	version := false
	a.declare(f, &version)
	rest, err := f.parse(args, true)
	switch {
	case errors.Is(err, flag.ErrHelp), err == nil && len(rest) == 0 && !version:
		a.help(f)
		return 0, nil
	case err != nil:
		return a.incorrect(err, func() { a.help(f) })
	case version:
		a.version()
		return 0, nil
	}
	if err := a.prepare(f); err != nil {
		return exitFailed, err
	}
	for _, v := range a.verbs() {
		if v.name == rest[0] {
			return a.call(v, rest[1:])
		}
	}
	if rest[0] == "help" || rest[0] == "h" {
		a.help(f)
		return 0, nil
	}
	fmt.Fprintf(a.std.Err, "No help topic for '%s'\n", printable(rest[0]))
	return exitNoVerb, nil
}

// declare names the flags that come before the verb.
func (a *app) declare(f *flags, version *bool) {
	f.bool(&a.debug, "debug", "enable debug logging")
	f.text(&a.log, "log", "", "set the log file to write logs to (default is '/dev/stderr')")
	f.text(&a.logFormat, "log-format", "text", "set the log format ('text' (default), or 'json')")
	f.text(&a.root, "root", a.defaultRoot(), "root directory for storage of container state (this should be located in tmpfs)")
	f.bool(&a.systemd, "systemd-cgroup", `enable systemd cgroup support, expects cgroupsPath to be of form "slice:prefix:name"`)
	f.text(&a.rootless, "rootless", "auto", "ignore cgroup permission errors ('true', 'false', or 'auto')")
	f.bool(version, "version, v", "print the version")
}

// incorrect says that the flags are not understood.
func (a *app) incorrect(err error, help func()) (int, error) {
	fmt.Fprintf(a.std.Out, "Incorrect Usage: %s\n\n", printable(err.Error()))
	help()
	return exitFailed, errors.New(printable(err.Error()))
}

// call runs one verb.
func (a *app) call(v *verb, args []string) (int, error) {
	f := newFlags()
	if v.declare != nil {
		v.declare(f)
	}
	rest, err := f.parse(args, v.inOrder)
	help := func() { a.verbHelp(v, f) }
	if errors.Is(err, flag.ErrHelp) {
		help()
		return 0, nil
	}
	if err != nil {
		return a.incorrect(err, help)
	}
	if err := a.count(v, len(rest)); err != nil {
		fmt.Fprint(a.std.Out, "Incorrect Usage.\n\n")
		help()
		return exitFailed, err
	}
	code, err := v.run(rest)
	var own failure
	switch {
	case err == nil:
		return code, nil
	case errors.As(err, &own):
		return own.code, err
	}
	return exitFailed, err
}

func (a *app) count(v *verb, n int) error {
	switch {
	case v.least == v.most && n != v.least:
		return fmt.Errorf("%s: %q requires exactly %d argument(s)", a.argv, v.name, v.least)
	case n < v.least:
		return fmt.Errorf("%s: %q requires a minimum of %d argument(s)", a.argv, v.name, v.least)
	case v.most >= 0 && n > v.most:
		return fmt.Errorf("%s: %q requires a maximum of %d argument(s)", a.argv, v.name, v.most)
	}
	return nil
}

// prepare makes sense of the flags before the verb.
func (a *app) prepare(f *flags) error {
	a.rootGiven = f.given("root")
	if a.rootGiven {
		root, err := filepath.Abs(a.root)
		if err != nil {
			return err
		}
		if root == "/" {
			//lint:ignore ST1005 the text is runc's, which callers look for
			return errors.New("Option --root argument should not be set to /")
		}
		a.root = root
	} else if a.rootFromEnv {
		// What has no sticky bit there may be removed by and by (XDG Base
		// Directory Specification).
		if err := errors.Join(os.MkdirAll(a.root, 0o700), os.Chmod(a.root, 0o700|os.ModeSticky)); err != nil {
			return fmt.Errorf("the path in $XDG_RUNTIME_DIR must be writable by the user: %w", err)
		}
	}
	return a.openLog()
}

// defaultRoot is where state is kept without --root.
func (a *app) defaultRoot() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && runc.OwnRuntimeDir() {
		a.rootFromEnv = true
		return filepath.Join(dir, "safe-run-oci")
	}
	return "/run/safe-run-oci"
}

// bundles is the state directory that the flags name.
func (a *app) bundles() (runc.Bundles, error) {
	b := runc.Bundles{Root: a.root, Systemd: a.systemd}
	if a.rootless != "" && !strings.EqualFold(a.rootless, "auto") {
		is, err := strconv.ParseBool(a.rootless)
		if err != nil {
			return b, err
		}
		b.Rootless = &is
	}
	return b, nil
}

// load finds the container that the first argument names.
func (a *app) load(args []string) (*runc.Bundle, error) {
	if args[0] == "" {
		return nil, errEmptyID
	}
	b, err := a.bundles()
	if err != nil {
		return nil, err
	}
	return b.Load(args[0])
}

var errEmptyID = errors.New("container id cannot be empty")
