// Command bare runs an OCI bundle with libcontainer and nothing else. It is the
// floor that the launch of safe-run is measured against.
//
//	bare BUNDLE ID
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	_ "github.com/opencontainers/cgroups/devices" // device rules
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	_ "github.com/opencontainers/runc/libcontainer/nsenter"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func init() {
	if len(os.Args) > 1 && os.Args[1] == "init" {
		libcontainer.Init() // this process is the container's init
	}
}

// rlimits are those that the default profile sets.
var rlimits = map[string]int{"RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: bare BUNDLE ID")
		os.Exit(125)
	}
	code, err := run(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		code = 125
	}
	os.Exit(code)
}

func run(bundle, id string) (int, error) {
	data, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return 0, err
	}
	var spec specs.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return 0, err
	}
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{CgroupName: id, Spec: &spec})
	if err != nil {
		return 0, err
	}
	container, err := libcontainer.Create("/run/bare", id, config)
	if err != nil {
		return 0, err
	}
	process := &libcontainer.Process{
		Args: spec.Process.Args, Env: spec.Process.Env, Cwd: spec.Process.Cwd,
		UID: int(spec.Process.User.UID), GID: int(spec.Process.User.GID), Init: true,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	for _, limit := range spec.Process.Rlimits {
		if kind, known := rlimits[limit.Type]; known {
			process.Rlimits = append(process.Rlimits, configs.Rlimit{Type: kind, Soft: limit.Soft, Hard: limit.Hard})
		}
	}
	if err := container.Run(process); err != nil {
		return 0, errors.Join(err, container.Destroy())
	}
	state, err := process.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, errors.Join(err, container.Destroy())
	}
	return state.ExitCode(), container.Destroy()
}
