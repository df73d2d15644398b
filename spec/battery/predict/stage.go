package predict

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
)

// Stage is what the battery's owner has put on the host for attacks to get at
// once a layer is gone: without it an attack fails for want of something to
// attack, and nothing is seen of what else would have stopped it. All of it
// belongs to the battery, in a directory that is closed to everybody else.
type Stage struct {
	// Dir holds SetUID, a copy of the probe program that is set-user-ID of the
	// container's root; Bind, a directory that everybody may write to; Socket, a
	// listening socket that only the host's root may connect to; and Nodes, device
	// nodes that everybody may open. Empty: there is nothing.
	Dir   string
	Nodes []string
}

// The names in a Stage, and where a sandbox has what they are.
const (
	SetUID = "setuid"
	Bind   = "bind"
	Socket = "socket"

	insideSetUID = ProbePath + "-setuid"
	insideBind   = ProbePath + "-bind"
	insideSocket = ProbePath + "-socket"
)

// Node is a device that hosts have and containers do not.
type Node struct {
	Name         string // below /dev
	Major, Minor uint32
}

// Nodes are those of D03 (Documentation/admin-guide/devices.txt).
func Nodes() []Node {
	return []Node{{"mem", 1, 1}, {"kvm", 10, 232}, {"fuse", 10, 229}, {"net/tun", 10, 200}}
}

// NodeFile is what a node is called in a Stage.
func NodeFile(name string) string { return strings.ReplaceAll(name, "/", "-") }

// set puts in what belongs to the layers that are gone.
func (s Stage) set(p *spec.Plan, gone []battery.Layer) {
	if s.Dir == "" {
		return
	}
	if slices.Contains(gone, battery.NoNewPrivs) || slices.Contains(gone, battery.BoundingSet) {
		options := []string{"bind", "rprivate", "nodev", "ro"}
		if !slices.Contains(gone, battery.Mounts) {
			options = append(options, "nosuid") // as the root is
		}
		s.file(p, SetUID, insideSetUID, options)
	}
	if slices.Contains(gone, battery.NoHostFiles) {
		p.OCI.Mounts = append(p.OCI.Mounts, specs.Mount{
			Destination: insideBind, Type: "bind", Source: s.Dir + "/" + Bind, Options: []string{"rbind", "rprivate", "nosuid", "nodev", "noexec"},
		})
		p.Rootfs.Dirs = append(p.Rootfs.Dirs, insideBind)
		s.file(p, Socket, insideSocket, []string{"bind", "rprivate", "nosuid", "nodev", "noexec"})
	}
	if slices.Contains(gone, battery.DeviceNodes) {
		for _, name := range s.Nodes {
			p.OCI.Mounts = append(p.OCI.Mounts, specs.Mount{
				Destination: "/dev/" + name, Type: "bind", Source: s.Dir + "/" + NodeFile(name), Options: []string{"bind", "rprivate", "nosuid", "noexec"},
			})
		}
	}
}

func (s Stage) file(p *spec.Plan, name, at string, options []string) {
	p.OCI.Mounts = append(p.OCI.Mounts, specs.Mount{Destination: at, Type: "bind", Source: s.Dir + "/" + name, Options: options})
	p.Rootfs.FileMounts = append(p.Rootfs.FileMounts, at)
}
