// Package systemd exports a profile as a hardened unit for a plain program,
// which runs without a container (systemd.exec(5)).
package systemd

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/quote"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// writer puts a unit together.
type writer struct {
	strings.Builder
	s *export.Subject
}

func (w *writer) set(key, format string, args ...any) {
	fmt.Fprintf(w, key+"="+format+"\n", args...)
}

// Export gives NAME.service. The program is the command, or what the image is
// named: there is no image.
func Export(in export.Input) (export.Result, error) {
	program := in.Command
	if len(program) == 0 && path.IsAbs(in.Image.Reference) {
		program = []string{in.Image.Reference}
	}
	if in.Image.Reference == "" {
		in.Image.Reference = "program"
	}
	in.Image.Config, in.Image.User = true, ""
	s, err := export.Prepare(in)
	if err != nil {
		return export.Result{}, err
	}
	if len(program) == 0 || !path.IsAbs(program[0]) {
		return export.Result{}, problem.New("safe-run export systemd --name app --command /usr/bin/app -- ARGUMENT...", "no program is named by its absolute path")
	}
	line, err := quote.ExecLine(append(slices.Clone(program), in.Args...)...)
	if err != nil {
		return export.Result{}, err
	}
	w := &writer{s: s}
	if s.UID != 0 {
		fmt.Fprintf(w, "# Once, as root, for its user:\n#   %s\n", makeUser(s))
	}
	fmt.Fprintf(w, "[Unit]\nDescription=%s, under the profile %s\n\n[Service]\n", s.Name, quote.UnitLine(s.Profile.Metadata.Name))
	w.set("ExecStart", "%s", line)
	for _, e := range s.Env {
		w.set("Environment", "%s", quote.UnitSetting(e))
	}
	for _, step := range []func() error{w.who, w.files, w.limits, w.calls, w.network, w.fixed} {
		if err := step(); err != nil {
			return export.Result{}, err
		}
	}
	w.WriteString("\n[Install]\nWantedBy=multi-user.target\n")
	lose(s)
	return export.Result{Files: []export.File{{Path: s.Name + ".service", Data: []byte(w.String())}}, Losses: s.Losses.List()}, nil
}

// makeUser is what makes the user: systemd starts nothing as a user that the host
// does not know (217/USER), not even by number.
func makeUser(s *export.Subject) string {
	return fmt.Sprintf(`printf 'g %[1]s %[3]d\nu %[1]s %[2]d:%[3]d\n' > /etc/sysusers.d/%[1]s.conf && systemd-sysusers`, s.Name, s.UID, s.GID)
}

func (w *writer) who() error {
	p := w.s.Profile.Process
	w.set("User", "%d", w.s.UID)
	w.set("Group", "%d", w.s.GID)
	var caps []string
	for _, c := range w.s.Capabilities {
		caps = append(caps, "CAP_"+c)
	}
	w.set("CapabilityBoundingSet", "%s", strings.Join(caps, " "))
	w.set("AmbientCapabilities", "%s", strings.Join(caps, " "))
	if p.StopSignal != nil {
		w.set("KillSignal", "%s", *p.StopSignal)
	}
	if p.StopTimeout != nil {
		w.set("TimeoutStopSec", "%dms", int64(*p.StopTimeout)/1e6)
	}
	if p.OOMScoreAdj != nil {
		w.set("OOMScoreAdjust", "%d", *p.OOMScoreAdj)
	}
	return nil
}

func (w *writer) files() error {
	if w.s.ReadOnly {
		w.set("ProtectSystem", "strict")
	} else {
		w.set("ProtectSystem", "full")
	}
	for _, p := range w.s.Places {
		if strings.ContainsAny(p.Path, ":\\\"' \t\n") {
			return problem.New("choose another path", "%s: systemd reads ':', spaces and quotes in it as its own", p.Setting())
		}
		exec := "noexec"
		if p.Exec {
			exec = "exec"
		}
		w.set("TemporaryFileSystem", "%s:rw,nosuid,nodev,%s,size=%d,nr_inodes=%d,mode=%04o,uid=%d,gid=%d", strings.ReplaceAll(p.Path, "%", "%%"), exec, p.Size, p.Inodes, p.Mode, p.UID, p.GID)
	}
	for _, list := range []struct {
		key   string
		paths []string
	}{{"InaccessiblePaths", w.s.Profile.Paths.Masked}, {"ReadOnlyPaths", w.s.Profile.Paths.ReadOnly}} {
		for _, p := range list.paths {
			w.set(list.key, "%s", quote.UnitSetting("-"+p))
		}
	}
	return nil
}

func (w *writer) limits() error {
	r := w.s.Profile.Resources
	w.set("MemoryMax", "%d", int64(*r.Memory))
	w.set("MemorySwapMax", "%d", int64(*r.Swap))
	w.set("CPUQuota", "%d.%d%%", int64(*r.CPUs)/10, int64(*r.CPUs)%10)
	w.set("TasksMax", "%d", *r.Pids)
	w.set("OOMPolicy", "kill")
	for _, l := range w.s.Rlimits {
		w.set("Limit"+strings.ToUpper(l.Name), "%d:%d", *l.Soft, *l.Hard)
	}
	return nil
}

// calls: systemd takes names of both architectures, and warns of those that it
// does not know.
func (w *writer) calls() error {
	names := seccomp.Allowed(spec.SeccompPolicy(w.s.Profile, "amd64"))
	w.set("SystemCallArchitectures", "native")
	w.set("SystemCallErrorNumber", "ENOSYS")
	w.set("SystemCallFilter", "%s", strings.Join(names, " "))
	var families []string
	for _, f := range w.s.Profile.Seccomp.AddressFamilies {
		families = append(families, f.Name)
	}
	if len(families) == 0 {
		families = []string{"none"}
	}
	w.set("RestrictAddressFamilies", "%s", strings.Join(families, " "))
	return nil
}

func (w *writer) network() error {
	if !w.s.Connected {
		w.set("PrivateNetwork", "yes")
		w.set("IPAddressDeny", "any")
		return nil
	}
	if len(w.s.Publish) > 0 {
		// The filter knows no direction: who is served must be let in by address.
		return nil
	}
	w.set("IPAddressDeny", "any")
	for _, e := range w.s.Profile.Network.Egress {
		spans, err := e.Spans()
		if err != nil {
			return err
		}
		if e.To == profiles.Internet || e.To == profiles.Internet4 || e.To == profiles.Internet6 {
			continue
		}
		for _, span := range spans {
			w.set("IPAddressAllow", "%s", span.Prefix)
		}
	}
	return nil
}

// fixed is what every unit has, whatever its profile.
func (w *writer) fixed() error {
	for _, line := range []string{
		"NoNewPrivileges=yes", "ProtectHome=yes", "PrivateDevices=yes", "PrivateMounts=yes", "PrivateIPC=yes", "ProtectClock=yes", "ProtectHostname=yes", "ProtectKernelLogs=yes",
		"ProtectKernelModules=yes", "ProtectKernelTunables=yes", "ProtectControlGroups=yes", "ProtectProc=invisible", "LockPersonality=yes",
		"RestrictNamespaces=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "RemoveIPC=yes", "KeyringMode=private", "UMask=0077", "DevicePolicy=closed",
	} {
		w.WriteString(line + "\n")
	}
	return nil
}
