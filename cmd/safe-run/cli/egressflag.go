package cli

import (
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

const egressHint = "write DEST[:PORT[-PORT][/udp]], where DEST is internet, an address or a CIDR: " +
	"internet:443, 10.0.3.7:5432, [2001:db8::/32]:443"

// parseEgress reads --egress: a destination of profiles.Egress, and a port or
// a range of them. An IPv6 address with a port needs brackets.
func parseEgress(text string) (profiles.Egress, error) {
	to, port, err := cutDestination(text)
	if err != nil {
		return profiles.Egress{}, err
	}
	egress := profiles.Egress{To: to}
	if port != "" {
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		egress.Ports = []string{port}
	}
	if _, err := egress.Spans(); err != nil {
		return profiles.Egress{}, err
	}
	if _, err := egress.PortRanges(); err != nil {
		return profiles.Egress{}, err
	}
	return egress, nil
}

// formatEgress writes a destination so that parseEgress reads the same.
func formatEgress(e profiles.Egress) string {
	to := e.To
	if len(e.Ports) == 0 {
		return to
	}
	if strings.Contains(to, ":") {
		to = "[" + to + "]"
	}
	return to + ":" + e.Ports[0]
}

func cutDestination(text string) (to, port string, err error) {
	if rest, ok := strings.CutPrefix(text, "["); ok {
		to, after, closed := strings.Cut(rest, "]")
		if after == "" && closed {
			return to, "", nil
		}
		port, isPort := strings.CutPrefix(after, ":")
		if !closed || !isPort || port == "" {
			return "", "", problem.New(egressHint, "%.80q is not a destination", text)
		}
		return to, port, nil
	}
	if strings.Count(text, ":") > 1 {
		return text, "", nil // an IPv6 address without a port
	}
	to, port, found := strings.Cut(text, ":")
	if found && port == "" {
		return "", "", problem.New(egressHint, "%.80q names no port after the colon", text)
	}
	return to, port, nil
}
