// Package ociconfig translates between an OCI image config and the part of it
// that matters at run time.
package ociconfig

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// maxPorts bounds how many ports an image may expose.
const maxPorts = 1024

// Read takes what matters at run time from an image config, with one
// way to write everything.
func Read(c *v1.ConfigFile) (spec.ImageConfig, error) {
	out := spec.ImageConfig{
		User: c.Config.User, Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd,
		StopSignal: c.Config.StopSignal, Labels: c.Config.Labels,
	}
	var err error
	if out.Env, err = environment(c.Config.Env); err != nil {
		return spec.ImageConfig{}, err
	}
	if out.ExposedPorts, err = ports(c.Config.ExposedPorts); err != nil {
		return spec.ImageConfig{}, err
	}
	if out.Volumes, err = volumes(c.Config.Volumes); err != nil {
		return spec.ImageConfig{}, err
	}
	if out.Health, err = health(c.Config.Healthcheck); err != nil {
		return spec.ImageConfig{}, err
	}
	if out.Shell = c.Config.Shell; len(out.Shell) > maxHealthWords {
		return spec.ImageConfig{}, problem.New("", "its config's shell has more than %d words", maxHealthWords)
	}
	if c.Config.WorkingDir != "" {
		out.WorkingDir = path.Clean("/" + c.Config.WorkingDir)
	}
	words := slices.Concat(out.Entrypoint, out.Cmd, out.Shell, []string{out.User, out.WorkingDir, out.StopSignal})
	if slices.ContainsFunc(words, hasNUL) {
		return spec.ImageConfig{}, problem.New("", "its config has a NUL character")
	}
	return out, nil
}

// hasNUL matches what no system call could be given.
func hasNUL(s string) bool { return strings.ContainsRune(s, 0) }

// environment drops the entries that set nothing, as other runtimes do.
func environment(env []string) ([]string, error) {
	var out []string
	for _, entry := range env {
		name, _, sets := strings.Cut(entry, "=")
		switch {
		case hasNUL(entry) || sets && name == "":
			return nil, problem.New("", "its config sets the impossible variable %.100q", entry)
		case sets:
			out = append(out, entry)
		}
	}
	return out, nil
}

// port is one that an image exposes.
type port struct {
	number   int
	protocol string
}

func comparePorts(a, b port) int {
	return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.protocol, b.protocol))
}

// ports writes every port as number/protocol, sorted.
func ports(exposed map[string]struct{}) ([]string, error) {
	var all []port
	for entry := range exposed {
		numbers, protocol, _ := strings.Cut(entry, "/")
		first, last, err := portRange(numbers)
		protocol = cmp.Or(strings.ToLower(protocol), "tcp")
		if err != nil || !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
			return nil, problem.New("", "its config exposes the impossible port %.100q", entry)
		}
		if len(all)+last-first >= maxPorts {
			return nil, problem.New("", "its config exposes more than %d ports", maxPorts)
		}
		for n := first; n <= last; n++ {
			all = append(all, port{number: n, protocol: protocol})
		}
	}
	slices.SortFunc(all, comparePorts)
	var out []string
	for _, p := range slices.Compact(all) {
		out = append(out, strconv.Itoa(p.number)+"/"+p.protocol)
	}
	return out, nil
}

// portRange reads "80" or "8000-8010".
func portRange(s string) (first, last int, err error) {
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	a, errA := strconv.ParseUint(low, 10, 16)
	b, errB := strconv.ParseUint(high, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return 0, 0, fmt.Errorf("port %q", s)
	}
	return int(a), int(b), nil
}

// volumes writes every volume as a clean absolute path, sorted.
func volumes(set map[string]struct{}) ([]string, error) {
	var out []string
	for v := range set {
		clean := path.Clean("/" + v)
		if hasNUL(v) || clean == "/" {
			return nil, problem.New("", "its config has the impossible volume %.100q", v)
		}
		out = append(out, clean)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Write writes c as an OCI image config has it.
func Write(c spec.ImageConfig) v1.Config {
	return v1.Config{
		User: c.User, Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, WorkingDir: c.WorkingDir,
		StopSignal: c.StopSignal, Labels: c.Labels, ExposedPorts: set(c.ExposedPorts), Volumes: set(c.Volumes),
		Healthcheck: healthOf(c.Health), Shell: c.Shell,
	}
}

func set(keys []string) map[string]struct{} {
	if len(keys) == 0 {
		return nil
	}
	out := make(map[string]struct{}, len(keys))
	for _, k := range keys {
		out[k] = struct{}{}
	}
	return out
}
