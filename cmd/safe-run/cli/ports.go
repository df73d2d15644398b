package cli

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

const publishHint = "write it as [IP:]HOST:CONTAINER[/udp], for example -p 127.0.0.1:8080:80"

// parsePublish reads docker's grammar of --publish,
// [[ip:][hostPort]:]containerPort[/protocol], where each port may be a range.
// A host port that is missing or 0 is chosen; a missing address is 0.0.0.0.
func parsePublish(text string) ([]spec.Port, error) {
	rest, proto, err := cutProtocol(text)
	if err != nil {
		return nil, err
	}
	host, container := "", rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		host, container = rest[:i], rest[i+1:]
	}
	ip := netip.IPv4Unspecified()
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		if ip, err = parseHostIP(host[:i]); err != nil {
			return nil, err
		}
		host = host[i+1:]
	}
	inside, err := parsePortRange("container", container)
	if err != nil {
		return nil, err
	}
	outside := portRange{}
	if host != "" && host != "0" {
		if outside, err = parsePortRange("host", host); err != nil {
			return nil, err
		}
		if outside.count() != inside.count() {
			return nil, problem.New("give both ranges the same length, for example -p 8000-8002:9000-9002",
				"the host range %s has %d ports and the container range %s has %d",
				host, outside.count(), container, inside.count())
		}
	}
	ports := make([]spec.Port, inside.count())
	for i := range ports {
		ports[i] = spec.Port{HostIP: ip, ContainerPort: inside.first + uint16(i), Protocol: proto}
		if outside.first != 0 {
			ports[i].HostPort = outside.first + uint16(i)
		}
	}
	return ports, nil
}

// formatPort writes a port so that parsePublish reads the same.
func formatPort(p spec.Port) string {
	host := ""
	if p.HostPort != 0 {
		host = strconv.Itoa(int(p.HostPort))
	}
	ip := p.HostIP.String()
	if p.HostIP.Is6() {
		ip = "[" + ip + "]"
	}
	return fmt.Sprintf("%s:%s:%d/%s", ip, host, p.ContainerPort, p.Protocol)
}

func cutProtocol(text string) (rest, proto string, err error) {
	rest, proto, found := strings.Cut(text, "/")
	if !found {
		return rest, "tcp", nil
	}
	proto = strings.ToLower(proto)
	if proto != "tcp" && proto != "udp" {
		return "", "", problem.New("write /tcp or /udp", "protocol %q cannot be published", proto)
	}
	return rest, proto, nil
}

func parseHostIP(text string) (netip.Addr, error) {
	text, opened := strings.CutPrefix(text, "[")
	text, closed := strings.CutSuffix(text, "]")
	ip, err := netip.ParseAddr(text)
	switch {
	case text == "localhost":
		return ip, problem.New("write 127.0.0.1", "-p needs an address of the host, not the name localhost")
	case err != nil || opened != closed:
		return ip, problem.New(publishHint, "%q is not an IP address", text)
	case ip.Is6() && !opened:
		return ip, problem.New("write it as ["+text+"]", "the IPv6 address %s needs brackets", text)
	case ip.Is4() && opened:
		return ip, problem.New("write it as "+text, "the IPv4 address %s takes no brackets", text)
	case ip.Zone() != "":
		return ip, problem.New("publish on an address without a zone", "the address %s has a zone", text)
	}
	return ip.Unmap(), nil
}

// portRange is first to last, both included; the zero value is "no port".
type portRange struct{ first, last uint16 }

func (r portRange) count() int { return int(r.last) - int(r.first) + 1 }

func parsePortRange(side, text string) (portRange, error) {
	lo, hi, ranged := strings.Cut(text, "-")
	first, err := parsePort(side, lo)
	if err != nil || !ranged {
		return portRange{first, first}, err
	}
	last, err := parsePort(side, hi)
	if err != nil {
		return portRange{}, err
	}
	if last < first {
		return portRange{}, problem.New("write the lower port first", "the %s range %s runs backwards", side, text)
	}
	return portRange{first, last}, nil
}

func parsePort(side, text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '+' {
		return 0, problem.New(publishHint, "%s port %q is not a number from 1 to 65535", side, text)
	}
	return uint16(n), nil
}
