// Package docker exports a profile as a command line of docker 20.10 or newer,
// with the seccomp filter that it names and what the daemon should be told.
package docker

import (
	"encoding/json"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/engine"
	"github.com/safe-run/safe-run/spec/export/seccomp"
)

// dialect is docker run's.
var dialect = engine.Dialect{
	Target: "docker", Masked: engine.DockerMasked, ReadOnly: engine.DockerReadOnly,
	Load: "load it: skopeo copy IMAGE docker-daemon:NAME:TAG, and export NAME:TAG",
}

// Daemon is what /etc/docker/daemon.json should say.
type Daemon struct {
	UsernsRemap     string `json:"userns-remap"`
	NoNewPrivileges bool   `json:"no-new-privileges"`
	ICC             bool   `json:"icc"`
	UserlandProxy   bool   `json:"userland-proxy"`
}

// Export gives docker-run.sh, seccomp.json and daemon.json.
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
	LoseFilter(s.Losses)
	daemon, err := json.MarshalIndent(Daemon{UsernsRemap: "default", NoNewPrivileges: true}, "", "  ")
	if err != nil {
		return export.Result{}, err
	}
	here := []string{`--security-opt="seccomp=$here/` + seccomp.FileName + `"`}
	last := append([]string{s.ImageName()}, engine.Command(s)...)
	script := engine.Script("docker", engine.Words(dialect.Flags(s)), here, last)
	return export.Result{
		Files: []export.File{
			{Path: "docker-run.sh", Data: []byte(script), Executable: true}, filter,
			{Path: "daemon.json", Data: append(daemon, '\n')},
		},
		Losses: s.Losses.List(),
	}, nil
}

// LoseFilter notes what older daemons do not read of the filter.
func LoseFilter(losses *export.Losses) {
	seccomp.Lose(losses, "docker")
	losses.Different("seccomp.allow", "", "Docker before 23 does not read defaultErrnoRet: a call that is refused for its arguments alone fails with EPERM where safe-run says ENOSYS",
		"use Docker 23 or newer")
}
