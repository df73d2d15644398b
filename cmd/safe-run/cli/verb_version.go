package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// stated is set by make build VERSION=1.2.3, which tells the C that answers
// --version as well.
var stated = ""

// build is the JSON form of version.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Runc    string `json:"runc,omitempty"` // libcontainer's version
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// versionVerb is `safe-run version`.
func (a *app) versionVerb() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "say which safe-run this is", GroupID: groupDetails,
		Example: "  safe-run version --format json",
		Args:    arguments(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if a.format == formatJSON {
				return writeJSON(a.std.Out, b)
			}
			about := []string{b.Go, b.OS + "/" + b.Arch}
			if b.Runc != "" {
				about = append(about, "runc "+b.Runc)
			}
			if b.Commit != "" {
				about = append(about, fmt.Sprintf("commit %.12s", b.Commit))
			}
			_, err := fmt.Fprintf(a.std.Out, "safe-run %s (%s)\n", b.Version, strings.Join(about, ", "))
			return err
		},
	}
}

// thisBuild reads what the linker wrote into the binary.
func thisBuild() build {
	b := build{Version: stated, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok && b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "development"
	}
	if !ok {
		return b
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/opencontainers/runc" {
			b.Runc = dep.Version
		}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Commit = s.Value
		}
	}
	return b
}
