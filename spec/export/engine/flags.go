package engine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/quote"
)

// Flag is one flag of docker run with its value, which is empty for a switch.
type Flag struct{ Name, Value string }

// Flags are those that docker and podman share, without the image and without the
// seccomp file.
func (d Dialect) Flags(s *export.Subject) []Flag {
	flags := []Flag{{"name", s.Name}, {"user", fmt.Sprintf("%d:%d", s.UID, s.GID)}}
	if s.ReadOnly {
		flags = append(flags, Flag{"read-only", ""})
	}
	flags = append(flags, Flag{"cap-drop", "ALL"})
	for _, c := range s.Capabilities {
		flags = append(flags, Flag{"cap-add", c})
	}
	flags = append(flags, Flag{"security-opt", "no-new-privileges"})
	for _, p := range s.Places {
		flags = append(flags, Flag{"tmpfs", p.Path + ":" + d.TmpfsOptions(p)})
	}
	flags = append(flags, limits(s)...)
	flags = append(flags, network(s)...)
	flags = append(flags, life(s)...)
	flags = append(flags, d.health(s.Profile.Health)...)
	for _, e := range s.Env {
		flags = append(flags, Flag{"env", e})
	}
	if s.Command != nil {
		flags = append(flags, Flag{"entrypoint", s.Command[0]})
	}
	return flags
}

// TmpfsOptions are the mount options of a memory filesystem.
func (d Dialect) TmpfsOptions(p export.Place) string {
	exec := "noexec"
	if p.Exec {
		exec = "exec"
	}
	out := fmt.Sprintf("rw,nosuid,nodev,%s,size=%d,mode=%04o", exec, p.Size, p.Mode)
	if p.Inodes > 0 && !d.NoTmpfsOwner {
		out += fmt.Sprintf(",nr_inodes=%d", p.Inodes)
	}
	switch {
	case p.OwnedByWhole:
	case d.NoTmpfsOwner:
		out += ",U"
	default:
		out += fmt.Sprintf(",uid=%d,gid=%d", p.UID, p.GID)
	}
	return out
}

func limits(s *export.Subject) []Flag {
	r := s.Profile.Resources
	flags := []Flag{
		{"memory", strconv.FormatInt(int64(*r.Memory), 10)}, {"memory-swap", strconv.FormatInt(int64(*r.Memory)+int64(*r.Swap), 10)},
		{"cpus", r.CPUs.String()}, {"pids-limit", strconv.FormatInt(*r.Pids, 10)},
	}
	for _, l := range s.Rlimits {
		flags = append(flags, Flag{"ulimit", fmt.Sprintf("%s=%d:%d", l.Name, *l.Soft, *l.Hard)})
	}
	return flags
}

// PortStart is net.ipv4.ip_unprivileged_port_start: engines lower it to 0, so it
// is always said.
func PortStart(s *export.Subject) string {
	start := int64(1024)
	if n := s.Profile.Network.UnprivilegedPortStart; n != nil {
		start = *n
	}
	return strconv.FormatInt(start, 10)
}

func network(s *export.Subject) []Flag {
	flags := []Flag{{"network", "bridge"}, {"sysctl", "net.ipv4.ip_unprivileged_port_start=" + PortStart(s)}, {"ipc", "private"}, {"cgroupns", "private"}}
	if !s.Connected {
		flags[0].Value = "none"
	}
	for _, p := range s.Publish {
		flags = append(flags, Flag{"publish", Publish(p)})
	}
	return flags
}

// Publish writes a port as docker does.
func Publish(p export.Port) string {
	out := fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol)
	if p.HostPort != 0 {
		out = fmt.Sprintf("%d:%s", p.HostPort, out)
	} else if p.HostIP != "" {
		out = ":" + out
	}
	if ip := p.HostIP; ip != "" {
		if strings.Contains(ip, ":") {
			ip = "[" + ip + "]"
		}
		out = ip + ":" + out
	}
	return out
}

func life(s *export.Subject) (flags []Flag) {
	p := s.Profile.Process
	if s.Init {
		flags = append(flags, Flag{"init", ""})
	}
	if p.StopSignal != nil {
		flags = append(flags, Flag{"stop-signal", string(*p.StopSignal)})
	}
	if p.StopTimeout != nil {
		flags = append(flags, Flag{"stop-timeout", strconv.FormatInt(Seconds(*p.StopTimeout), 10)})
	}
	if p.OOMScoreAdj != nil {
		flags = append(flags, Flag{"oom-score-adj", strconv.FormatInt(*p.OOMScoreAdj, 10)})
	}
	return flags
}

// Seconds rounds up.
func Seconds(d profiles.Duration) int64 { return (int64(d) + 1e9 - 1) / 1e9 }

func (d Dialect) health(h profiles.Health) (flags []Flag) {
	if h.Disabled != nil && *h.Disabled {
		return []Flag{{"no-healthcheck", ""}}
	}
	if h.Test != nil {
		flags = append(flags, Flag{"health-cmd", d.HealthText(*h.Test)})
	}
	for _, t := range []struct {
		name  string
		value *profiles.Duration
	}{{"health-interval", h.Interval}, {"health-timeout", h.Timeout}, {"health-start-period", h.StartPeriod}} {
		if t.value != nil {
			flags = append(flags, Flag{t.name, t.value.String()})
		}
	}
	if h.StartInterval != nil && d.StartInterval {
		flags = append(flags, Flag{"health-start-interval", h.StartInterval.String()})
	}
	if h.Retries != nil {
		flags = append(flags, Flag{"health-retries", strconv.FormatInt(*h.Retries, 10)})
	}
	return flags
}

// HealthText is a check as one text: of a list, what a shell takes apart into it
// again.
func (d Dialect) HealthText(test profiles.Command) string {
	if text, ok := test.Shell(); ok {
		return text
	}
	return quote.ShellLine(test.Words()...)
}

// Command is what follows the image.
func Command(s *export.Subject) []string {
	var rest []string
	if s.Command != nil {
		rest = append(rest, s.Command[1:]...)
	}
	return append(rest, s.Args...)
}

// Words writes flags as the words of a command line.
func Words(flags []Flag) []string {
	var out []string
	for _, f := range flags {
		if f.Value == "" && f.Name != "entrypoint" {
			out = append(out, "--"+f.Name)
		} else {
			out = append(out, "--"+f.Name+"="+f.Value)
		}
	}
	return out
}

// Script is a program for sh that starts engine run with flags. here are flags
// whose value begins with a file beside the script, after what is before "=".
func Script(program string, words, here, last []string) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\nset -eu\n")
	if len(here) > 0 {
		b.WriteString("here=$(CDPATH= cd -- \"$(dirname -- \"$0\")\" && pwd)\n")
	}
	b.WriteString("exec " + program + " run \"$@\"")
	for _, h := range here {
		b.WriteString(" \\\n\t" + h)
	}
	for _, w := range words {
		b.WriteString(" \\\n\t" + quote.Shell(w))
	}
	b.WriteString(" \\\n\t" + quote.ShellLine(last...) + "\n")
	return b.String()
}
