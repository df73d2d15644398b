package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// portVerb is `safe-run port NAME [PORT[/PROTO]]`.
func (a *app) portVerb() *cobra.Command {
	return &cobra.Command{
		Use: "port NAME|ID [PORT[/udp]]", Short: "show where a container's ports are published", GroupID: groupManage,
		Example: "  safe-run port site\n  safe-run port site 80",
		Args:    arguments(1, 2, "NAME [PORT]"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeRunning,
		RunE: func(_ *cobra.Command, args []string) error {
			return withLive(args[0], func(live *sandbox.Live) error {
				ports := live.Plan.Network.Publish
				if len(args) == 1 {
					return a.listPorts(ports, false)
				}
				found, err := findPorts(ports, args[1])
				if err == nil && len(found) == 0 {
					err = problem.New("safe-run port "+live.Name()+" shows all", "%s publishes no port %s", live.Name(), args[1])
				}
				if err != nil {
					return err
				}
				return a.listPorts(found, true)
			})
		},
	}
}

// findPorts gives those that text means: 80, 80/tcp or 53/udp.
func findPorts(ports []spec.Port, text string) (found []spec.Port, err error) {
	number, protocol, given := strings.Cut(text, "/")
	if !given {
		protocol = "tcp"
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || (protocol != "tcp" && protocol != "udp") {
		return nil, problem.New("write it as 80, 80/tcp or 53/udp", "%.40q is not a port", text)
	}
	for _, p := range ports {
		if uint64(p.ContainerPort) == n && p.Protocol == protocol {
			found = append(found, p)
		}
	}
	return found, nil
}

// listPorts prints ports, or only where they are.
func (a *app) listPorts(ports []spec.Port, short bool) error {
	if a.format == formatJSON {
		return writeJSON(a.std.Out, orEmpty(ports))
	}
	for _, p := range ports {
		line := hostAddress(p)
		if !short {
			line = fmt.Sprintf("%d/%s -> %s", p.ContainerPort, p.Protocol, line)
		}
		if _, err := fmt.Fprintln(a.std.Out, line); err != nil {
			return err
		}
	}
	return nil
}

// hostAddress is where a port is published: 127.0.0.1:8080.
func hostAddress(p spec.Port) string {
	host := "0.0.0.0"
	if p.HostIP.IsValid() {
		host = p.HostIP.String()
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(p.HostPort))
}
