// Package podman exports a profile as a command line of podman 4 and as a unit
// for Quadlet (podman-systemd.unit(5)), with the seccomp filter that both name.
package podman

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/engine"
	"github.com/safe-run/safe-run/spec/export/seccomp"
)

// dialect is podman run's. It hides and protects what Docker does, and can be
// told of more to hide (--security-opt mask=).
var dialect = engine.Dialect{
	Target: "podman", Masked: engine.DockerMasked, ReadOnly: engine.DockerReadOnly, Mask: true,
	Ambient: true, UserNS: true, HealthWords: true, NoTmpfsOwner: true,
	Load: "podman run reads such a transport in front of the name itself; check the path, which is relative to where it is run",
}

// Export gives podman-run.sh, NAME.container and seccomp.json.
func Export(in export.Input) (export.Result, error) {
	s, err := export.Prepare(in)
	if err != nil {
		return export.Result{}, err
	}
	if err := engine.Check(s); err != nil {
		return export.Result{}, err
	}
	filter, err := seccomp.File(s.Profile)
	if err != nil {
		return export.Result{}, err
	}
	dialect.Lose(s)
	seccomp.Lose(s.Losses, "podman")
	s.Losses.Different("userNamespace", "ids of its own", "--userns=auto takes a range of the user \"containers\" in /etc/subuid and /etc/subgid", "add a line for containers to both files: containers:2147483647:2147483648")
	if command := engine.Command(s); slices.Contains(command, "") {
		s.Losses.Different("command", fmt.Sprintf("%q", command), "Quadlet leaves out words that are empty: the unit starts the program without them",
			"start it with podman-run.sh, or without an empty argument")
	}
	here := []string{`--security-opt="seccomp=$here/` + seccomp.FileName + `"`}
	last := append([]string{s.ImageName()}, engine.Command(s)...)
	script := engine.Script("podman", engine.Words(flags(s)), here, last)
	unit, err := quadlet(s)
	if err != nil {
		return export.Result{}, err
	}
	return export.Result{
		Files: []export.File{
			{Path: "podman-run.sh", Data: []byte(script), Executable: true},
			{Path: s.Name + ".container", Data: []byte(unit)}, filter,
		},
		Losses: s.Losses.List(),
	}, nil
}

// flags are docker's with what only podman has.
func flags(s *export.Subject) []engine.Flag {
	all := dialect.Flags(s)
	for i, f := range all {
		if f.Name == "health-cmd" && s.Profile.Health.Test.Words() != nil {
			all[i].Value = "[" + `"CMD",` + strings.TrimPrefix(string(*s.Profile.Health.Test), "[")
		}
	}
	// 65536 ids, as many as safe-run gives; no writable /run, /tmp and /var/tmp
	// beside the profile's own.
	all = append(all, engine.Flag{Name: "userns", Value: "auto:size=65536"}, engine.Flag{Name: "read-only-tmpfs", Value: "false"})
	if mask := masks(s); mask != "" {
		all = append(all, engine.Flag{Name: "security-opt", Value: "mask=" + mask})
	}
	return all
}

// masks are the paths to hide beside podman's own.
func masks(s *export.Subject) string {
	own := dialect
	own.Mask = false
	var list []string
	for _, p := range own.Unmasked(s) {
		if !strings.Contains(p, ":") {
			list = append(list, p)
		}
	}
	return strings.Join(list, ":")
}
