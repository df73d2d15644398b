package cli

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
)

// label is a DNS label as Kubernetes wants it (RFC 1035): a Service's name
// begins with a letter.
var label = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// applicationName is the name that was given, or the image's last word.
func applicationName(given, reference string) (string, error) {
	const hint = "write --name with lower-case letters, digits and -, such as --name shop"
	if given != "" {
		if !label.MatchString(given) {
			return "", problem.New(hint, "--name %q is no DNS label", given)
		}
		return given, nil
	}
	word, _, _ := strings.Cut(reference, "@")
	word = word[strings.LastIndexByte(word, '/')+1:]
	word, _, _ = strings.Cut(word, ":")
	word = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, word), "-")
	if len(word) > 63 {
		word = strings.TrimRight(word[:63], "-")
	}
	if !label.MatchString(word) {
		return "", problem.New(hint, "the image %q gives no name", reference)
	}
	return word, nil
}

// parsePublished reads docker's grammar of --publish, one port each:
// [[IP:][PORT]:]PORT[/tcp|/udp].
func parsePublished(texts []string) ([]export.Port, error) {
	var out []export.Port
	seen := map[string]bool{}
	for _, text := range texts {
		port, err := parsePublish(text)
		if err != nil {
			return nil, err
		}
		key := fmt.Sprintf("%d/%s", port.ContainerPort, port.Protocol)
		if seen[key] {
			return nil, problem.New("leave one of them out", "-p %s: port %s is published twice", text, key)
		}
		seen[key] = true
		out = append(out, port)
	}
	return out, nil
}

func parsePublish(text string) (export.Port, error) {
	port := export.Port{Protocol: "tcp"}
	rest, protocol, found := strings.Cut(text, "/")
	if found {
		if port.Protocol = strings.ToLower(protocol); port.Protocol != "tcp" && port.Protocol != "udp" {
			return port, problem.New("write /tcp or /udp", "-p %s: %q is no protocol", text, protocol)
		}
	}
	inside := rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		host := rest[:i]
		inside = rest[i+1:]
		if j := strings.LastIndexByte(host, ':'); j >= 0 {
			ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host[:j], "["), "]"))
			if err != nil {
				return port, problem.New("write -p 127.0.0.1:8080:80", "-p %s: %q is not an IP address", text, host[:j])
			}
			port.HostIP, host = ip.String(), host[j+1:]
		}
		if host != "" {
			n, err := portNumber(text, host)
			if err != nil {
				return port, err
			}
			port.HostPort = n
		}
	}
	n, err := portNumber(text, inside)
	port.ContainerPort = n
	return port, err
}

func portNumber(whole, text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '+' {
		return 0, problem.New("write -p 8080:80, one port at a time", "-p %s: %q is not a port from 1 to 65535", whole, text)
	}
	return uint16(n), nil
}

// variable is a name of the environment that every target takes.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// parseEnv reads NAME=VALUE. A name alone would take the value from here, and
// what is exported would hold it without anybody seeing.
func parseEnv(texts []string) ([]string, error) {
	at := map[string]int{}
	var out []string
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		switch {
		case !found:
			return nil, problem.New("write -e "+name+"=VALUE", "-e %s has no value, and none is taken from here", text)
		case !variable.MatchString(name):
			return nil, problem.New("write -e NAME=VALUE", "-e %q: the name is none", text)
		case strings.ContainsRune(value, 0):
			return nil, problem.New("remove the character", "-e %s holds a NUL", name)
		}
		if i, again := at[name]; again {
			out[i] = text // the later one wins, as with docker
			continue
		}
		at[name] = len(out)
		out = append(out, text)
	}
	return out, nil
}

// counted writes a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
