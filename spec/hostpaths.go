package spec

import (
	"path"
	"slices"
	"strings"
)

// hostPath is a place on the host that a container is not given, with all that
// lies below it, unless its profile names it.
type hostPath struct {
	path string
	why  string
}

const (
	whyEngine  = "whoever talks to a container engine is root on the host"
	whyState   = "it is the state of containers, from which they can be changed or left"
	whyKernel  = "the kernel's own files control the host"
	whyConfig  = "it configures the host and holds its passwords"
	whyDevices = "devices reach the host's disks and memory"
	whyBoot    = "what the host boots from"
	whyInit    = "whoever talks to systemd or D-Bus can start programs on the host"
	whyMachine = "whoever talks to a manager of virtual machines is root on the host"
	whyProgram = "root runs what is written there"
)

var hostPaths = []hostPath{
	{"/proc", whyKernel},
	{"/sys", whyKernel},
	{"/etc", whyConfig},
	{"/dev", whyDevices},
	{"/boot", whyBoot},
	{"/efi", whyBoot},
	{"/run/safe-run", whyState},
	{"/run/docker", whyState},
	{"/run/containerd", whyEngine},
	{"/run/crio", whyEngine},
	{"/run/podman", whyEngine},
	{"/run/runc", whyState},
	{"/run/netns", whyState},
	{"/run/systemd", whyInit},
	{"/run/dbus", whyInit},
	{"/run/k3s", whyEngine},
	{"/run/buildkit", whyEngine},
	{"/run/libvirt", whyMachine},
	{"/run/lxd", whyMachine},
	{"/run/incus", whyMachine},
	{"/var/lib/lxd", whyMachine},
	{"/var/lib/incus", whyMachine},
	{"/var/snap/lxd", whyMachine},
	{"/opt/cni/bin", whyProgram},
	{"/opt/nri", whyProgram},
	{"/run/nri", whyEngine},
	{"/var/lib/docker", whyState},
	{"/var/lib/containerd", whyState},
	{"/var/lib/containers", whyState},
	{"/var/lib/kubelet", "it holds the secrets of all pods"},
	{"/var/lib/rancher", whyState},
	{"/var/lib/etcd", "it is the database of a cluster"},
	{"/var/lib/safe-run", whyState},
	{"/var/spool/cron", "what is written there is run on the host"},
	{"/var/log", "logs hold secrets, and links in them have been a way out of containers"},
}

// engineSockets are refused by name wherever they lie.
var engineSockets = []string{
	"docker.sock", "containerd.sock", "containerd.sock.ttrpc", "podman.sock", "crio.sock",
	"cri-dockerd.sock", "dockershim.sock", "buildkitd.sock", "frakti.sock", "system_bus_socket",
}

// secretDirs are refused by name wherever they lie.
var secretDirs = []string{".ssh", ".gnupg", ".aws", ".azure", ".docker", ".kube"}

// sessionParts are refused below /run/user/UID, the sockets of a user's session
// (pam_systemd(8)): mounted files act as their owner, and these start programs
// as him. Other sockets there, of displays and sound, are for programs to use.
var sessionParts = []string{"bus", "dbus-1", "systemd", "gnupg", "keyring", "docker", "podman", "containerd", "crun", "libpod"}

// programDirs are where the host's own programs and libraries are. To read
// them tells nothing that a package does not.
var programDirs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// writtenPath reports whether source must be named by the profile before it is
// mounted for writing, and why.
func writtenPath(source string) (why string, sensitive bool) {
	for _, dir := range programDirs {
		if source == dir || below(source, dir) {
			return whyProgram, true
		}
	}
	return sensitivePath(source)
}

// sessionPath does the same for the sockets of a user's session.
func sessionPath(source string) (why string, sensitive bool) {
	rest, ok := strings.CutPrefix(source, "/run/user")
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	parts := strings.Split(rest, "/") // "", UID, name, ...
	if len(parts) < 3 || slices.Contains(sessionParts, parts[2]) {
		return whyInit, true
	}
	return "", false
}

// sensitivePath reports whether source must be named by the profile before it
// is mounted, and why: it is a place of hostPaths, inside one, or holds one.
func sensitivePath(source string) (why string, sensitive bool) {
	// /var/run is a link to /run on every current system; callers resolve
	// links, and this holds when they could not.
	if rest, ok := strings.CutPrefix(source, "/var/run"); ok && (rest == "" || rest[0] == '/') {
		source = "/run" + rest
	}
	if source == "/" {
		return "it is the whole host", true
	}
	if source == "/root" {
		return "it is root's home, with keys and histories", true
	}
	for _, h := range hostPaths {
		if source == h.path || below(source, h.path) {
			return h.why, true
		}
		if below(h.path, source) {
			return "it holds " + h.path + ": " + h.why, true
		}
	}
	if why, sensitive := sessionPath(source); sensitive {
		return why, true
	}
	if slices.Contains(engineSockets, path.Base(source)) {
		return whyEngine, true
	}
	for _, part := range strings.Split(source, "/") {
		if slices.Contains(secretDirs, part) {
			return part + " holds keys", true
		}
	}
	return "", false
}

// Sensitive reports whether a host path must be named by a profile before it is
// bind mounted, for writing or to be read, and why.
func Sensitive(source string, write bool) (why string, sensitive bool) {
	if write {
		return writtenPath(source)
	}
	return sensitivePath(source)
}
