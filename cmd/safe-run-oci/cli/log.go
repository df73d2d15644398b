package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// openLog sets up the log that --log, --log-format and --debug ask for.
func (a *app) openLog() error {
	if a.debug {
		logrus.SetLevel(logrus.DebugLevel)
		logrus.SetReportCaller(true)
		logrus.SetFormatter(&logrus.TextFormatter{CallerPrettyfier: func(frame *runtime.Frame) (string, string) {
			return filepath.Base(frame.Function) + "()", fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
		}})
	}
	switch a.logFormat {
	case "", "text":
	case "json":
		logrus.SetFormatter(new(logrus.JSONFormatter))
	default:
		return errors.New("invalid log-format: " + printable(a.logFormat))
	}
	if a.log == "" {
		return nil
	}
	file, err := os.OpenFile(a.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_SYNC, 0o644)
	if err != nil {
		return err
	}
	logrus.SetOutput(file)
	a.logOnStandard = false
	return nil
}

// number is set by the linker: -X github.com/safe-run/safe-run/cmd/safe-run-oci/cli.number=1.2.3
var number = ""

// version is what this program is called in its own right, with the runc whose
// behaviour it has.
func version() string {
	if number != "" {
		return number
	}
	return "0.0.0-development"
}

func (a *app) version() {
	commit, library := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
		for _, dep := range info.Deps {
			if dep.Path == "github.com/opencontainers/runc" {
				library = dep.Version
			}
		}
	}
	fmt.Fprintf(a.std.Out, "%s version %s\ncommit: %s\nspec: %s\ngo: %s\n", a.name, version(), commit, specs.Version, runtime.Version())
	if seccomp := runc.SeccompVersion(); seccomp != "" {
		fmt.Fprintf(a.std.Out, "libseccomp: %s\n", seccomp)
	}
	if library != "" {
		fmt.Fprintf(a.std.Out, "libcontainer: %s\n", library)
	}
}
