package podman

import (
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/engine"
	"github.com/safe-run/safe-run/spec/export/seccomp"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/quote"
)

// quadlet writes a .container unit. What Quadlet of podman 4.4 has no key for is
// said by PodmanArgs=, so that one file serves all versions.
func quadlet(s *export.Subject) (string, error) {
	var b strings.Builder
	b.WriteString("# The filter is beside this file; both belong into /etc/containers/systemd.\n")
	fmt.Fprintf(&b, "[Unit]\nDescription=%s, under the profile %s\n\n[Container]\n", s.Name, quote.UnitLine(s.Profile.Metadata.Name))
	image := s.ImageName()
	if strings.Contains(image, "%") {
		image = strings.ReplaceAll(image, "%", "%%")
	}
	fmt.Fprintf(&b, "Image=%s\nContainerName=%s\n", image, s.Name)
	var extra []engine.Flag
	for _, f := range flags(s) {
		switch f.Name {
		case "name", "no-healthcheck":
			if f.Name == "no-healthcheck" {
				extra = append(extra, f)
			}
		case "env":
			fmt.Fprintf(&b, "Environment=%s\n", quote.UnitWord(f.Value))
		case "publish":
			fmt.Fprintf(&b, "PublishPort=%s\n", f.Value)
		default:
			extra = append(extra, f)
		}
	}
	extra = append(extra, engine.Flag{Name: "security-opt", Value: "seccomp=/etc/containers/systemd/" + seccomp.FileName})
	for _, w := range engine.Words(extra) {
		// PodmanArgs= is taken apart into words, which go into ExecStart= quoted.
		fmt.Fprintf(&b, "PodmanArgs=%s\n", quote.UnitWord(w))
	}
	if command := engine.Command(s); len(command) > 0 {
		words := make([]string, len(command))
		for i, w := range command {
			words[i] = quote.UnitWord(w)
		}
		fmt.Fprintf(&b, "Exec=%s\n", strings.Join(words, " "))
	}
	b.WriteString("\n[Install]\nWantedBy=multi-user.target\n")
	out := b.String()
	for _, line := range strings.Split(out, "\n") {
		if len(line) >= quote.MostUnitLine {
			return "", problem.New("put what is long into a file", "a line of the unit is longer than the %d bytes that systemd reads", quote.MostUnitLine)
		}
	}
	return out, nil
}
