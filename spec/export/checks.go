package export

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/profiles"
)

// LoseChecks notes what safe-run looks at before and beside a container, and
// what the target starts does not: where images come from, what may be mounted,
// what the host can enforce, what follows a violation, sockets of the service
// manager.
func (s *Subject) LoseChecks(target string) {
	s.loseImage(target)
	s.loseMounts(target)
	s.LoseReactions(target)
	for _, a := range s.Profile.Accept {
		s.Losses.Different("accept["+a.Name+"]", a.Name, target+" does not ask whether the host can enforce something: what it cannot, it leaves out, whether that was accepted or not",
			"run safe-run doctor on the host")
	}
	if a := s.Profile.Process.SocketActivation; a != nil && said(a.Allow) {
		value := "allow"
		if said(a.Outbound) {
			value += ", outbound"
		}
		s.Losses.Missing("process.socketActivation", value, target+" hands no sockets of the service manager on", "publish the port, or run it with safe-run")
	}
}

func (s *Subject) loseImage(target string) {
	i := s.Profile.Image
	if i.Registries != nil {
		var list []string
		for _, r := range i.Registries {
			list = append(list, string(r))
		}
		s.Losses.Weaker("image.registries", or(strings.Join(list, ", "), "none"), target+" runs images from anywhere", "fetch it with safe-run image pull under this profile, and run it by digest")
	}
	if said(i.RequireDigest) && s.Image.Digest == "" && !strings.Contains(s.Image.Reference, "@sha256:") {
		s.Losses.Weaker("image.requireDigest", "true", "the image is named by a tag, which can be moved", "name it NAME@sha256:...")
	}
	for _, sig := range i.Signatures {
		s.Losses.Weaker("image.signatures["+sig.String()+"]", sig.String(), target+" checks no signature before it runs an image", "verify it with safe-run image pull under this profile, and run it by digest")
	}
	if v := i.Vulnerabilities; v.Block != nil {
		s.Losses.Weaker("image.vulnerabilities", gate(v), target+" runs images whatever is known of them", "run safe-run image audit under this profile before it is deployed")
	}
}

// gate writes the gate on vulnerabilities in one line.
func gate(v profiles.Vulnerabilities) string {
	parts := []string{"block " + string(*v.Block)}
	if said(v.FixableOnly) {
		parts = append(parts, "fixable only")
	}
	if v.MaxAge != nil {
		parts = append(parts, "known for at most "+v.MaxAge.String())
	}
	if v.Sources != nil {
		parts = append(parts, fmt.Sprintf("from %v", v.Sources))
	}
	if v.Report != nil {
		parts = append(parts, "report "+*v.Report)
	}
	if len(v.VEX) > 0 {
		parts = append(parts, "vex "+strings.Join(v.VEX, ", "))
	}
	return strings.Join(parts, "; ")
}

func (s *Subject) loseMounts(target string) {
	var list []string
	for _, h := range s.Profile.Mounts.HostPaths {
		mode := "ro"
		if said(h.Write) {
			mode = "rw"
		}
		list = append(list, h.Path+":"+mode)
	}
	s.Losses.Weaker("mounts.hostPaths", or(strings.Join(list, ", "), "none"), target+" mounts any path of the host that it is told to, also the engine's own socket",
		"review what is added to the export; none of it mounts a path of the host")
	if !said(s.Profile.Mounts.Volumes) {
		s.Losses.Weaker("mounts.volumes", "false", target+" gives volumes to whoever asks for them", "review what is added to the export; none of it names a volume")
	}
}

// LoseReactions notes that the target does nothing about what it refuses.
func (s *Subject) LoseReactions(target string) {
	v := s.Profile.Seccomp.OnViolation
	var list []string
	severity := Missing
	for _, r := range []struct {
		level    string
		reaction *profiles.Reaction
	}{{"high", v.High}, {"medium", v.Medium}, {"low", v.Low}} {
		if r.reaction == nil {
			continue
		}
		list = append(list, r.level+": "+string(*r.reaction))
		if *r.reaction != profiles.ReactLog {
			severity = Weaker
		}
	}
	if len(list) > 0 {
		s.Losses.Add(Loss{
			Setting: "seccomp.onViolation", Value: strings.Join(list, ", "), Severity: severity,
			Lost: "what is refused is refused, but " + target + " neither counts it nor acts on it", Do: "run it with safe-run where that matters",
		})
	}
}

// LoseImageTransport notes that the image lies where the target cannot find it.
func (s *Subject) LoseImageTransport(target, load string) {
	for _, t := range transports {
		if strings.HasPrefix(s.Image.Reference, t) {
			s.Losses.Missing("image", s.Image.Reference, target+" does not run images from there", load)
		}
	}
	if !s.Image.Config {
		s.Losses.Different("image", s.Image.Reference, "the image's config was not read: volumes that it declares are kept on the disk and can be written to",
			"export again where the image can be read")
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// Sections are the parts of a profile that say policy.
var Sections = []string{"process", "rootfs", "mounts", "paths", "resources", "seccomp", "network", "image", "health", "accept"}

// LoseSection notes that all of a part is missing.
func (s *Subject) LoseSection(name, lost, do string) {
	p := s.Profile
	value, err := json.Marshal(map[string]any{
		"process": p.Process, "rootfs": p.Rootfs, "mounts": p.Mounts, "paths": p.Paths, "resources": p.Resources,
		"seccomp": p.Seccomp, "network": p.Network, "image": p.Image, "health": p.Health, "accept": p.Accept,
	}[name])
	if text := string(value); err == nil && text != "{}" && text != "[]" && text != "null" {
		s.Losses.Missing(name, text, lost, do)
	}
}
