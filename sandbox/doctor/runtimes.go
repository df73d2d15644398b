package doctor

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec/audit/host"
)

// programs are asked with --version. docker is only a client.
var programs = []string{"runc", "crun", "containerd", "dockerd", "podman"}

// patience is for machines under load.
const patience = 20 * time.Second

func (at Where) runtimes(ctx context.Context) []host.Runtime {
	var out []host.Runtime
	for _, name := range programs {
		if path := at.find(name); path != "" {
			out = append(out, ask(ctx, name, path))
		}
	}
	if linked, ok := at.linked(); ok {
		out = append(out, linked)
	}
	return out
}

// find looks through the directories of Path; relative ones are left out.
func (at Where) find(name string) string {
	for _, dir := range filepath.SplitList(at.Path) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && filepath.IsAbs(dir) && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// ask runs a program for its version, within bounds of time and of what it says.
func ask(ctx context.Context, name, path string) host.Runtime {
	out := host.Runtime{Name: name, Path: path}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nonexistent", "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	said := &bounded{left: 4 << 10}
	cmd.Stdout = said
	if err := cmd.Run(); err != nil {
		out.Problem = fmt.Sprintf("%s --version: %v", path, err)
		return out
	}
	out.Version, _, _ = strings.Cut(strings.TrimSpace(said.String()), "\n")
	if out.Version == "" {
		out.Problem = "it said nothing"
	}
	return out
}

// bounded keeps the beginning of what is written.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), b.left)
	b.left -= keep
	b.Buffer.Write(p[:keep])
	return len(p), nil
}

// linked is the runc that safe-run itself is built with, from what the linker
// wrote into the program.
func (at Where) linked() (host.Runtime, bool) {
	path := at.find("safe-run")
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), "safe-run"); at.Root == "" && exists(beside) {
			path = beside
		}
	}
	if path == "" {
		return host.Runtime{}, false
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return host.Runtime{}, false
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/opencontainers/runc" {
			return host.Runtime{Name: "runc", Path: "in " + path, Version: dep.Version}, true
		}
	}
	return host.Runtime{}, false
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
