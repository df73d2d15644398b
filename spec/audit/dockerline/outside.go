package dockerline

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/spec/audit"
)

// outside is what of the host is inside.
func (p parsed) outside(f *audit.Facts) {
	for _, o := range p.every("volume") {
		if m, bind := volume(o.value); bind {
			m.At = at("volume " + o.value)
			f.Mounts = append(f.Mounts, m)
		}
	}
	for _, o := range p.every("mount") {
		p.mount(f, o.value)
	}
	if p.on("use-api-socket") {
		f.Mounts = append(f.Mounts, audit.Mount{Host: "/run/docker.sock", Inside: "/run/docker.sock", Writable: true, At: at("use-api-socket")})
	}
	for _, o := range p.every("tmpfs") {
		path, options, _ := strings.Cut(o.value, ":")
		f.Tmpfs = append(f.Tmpfs, tmpfs(path, strings.Split(options, ","), at("tmpfs "+o.value)))
	}
	for _, o := range p.every("device", "gpus", "device-cgroup-rule") {
		name, _, _ := strings.Cut(o.value, ":")
		if o.name != "device" {
			name = o.name + " " + o.value
		}
		f.Devices = append(f.Devices, audit.Named{Name: name, At: at(o.name + " " + o.value)})
	}
	for _, o := range p.every("publish") {
		f.Ports = append(f.Ports, port(o.value))
	}
	if p.on("publish-all") {
		f.Ports = append(f.Ports, audit.Port{At: at("publish-all")})
	}
	for _, o := range p.every("sysctl") {
		name, _, _ := strings.Cut(o.value, "=")
		f.Sysctls = append(f.Sysctls, audit.Named{Name: strings.ReplaceAll(name, "/", "."), At: at("sysctl " + o.value)})
	}
}

// volume reads -v HOST:INSIDE[:OPTIONS]. A name in place of a path is a volume of
// docker's own.
func volume(value string) (audit.Mount, bool) {
	parts := strings.Split(value, ":")
	if len(parts) < 2 || !strings.HasPrefix(parts[0], "/") && !strings.HasPrefix(parts[0], ".") && !strings.HasPrefix(parts[0], "~") && !strings.HasPrefix(parts[0], "$") {
		return audit.Mount{}, false
	}
	m := audit.Mount{Host: parts[0], Inside: parts[1], Writable: true}
	for _, option := range strings.Split(strings.Join(parts[2:], ","), ",") {
		m.Writable = m.Writable && option != "ro" && option != "readonly"
		m.Shared = m.Shared || option == "shared" || option == "rshared"
	}
	return m, true
}

// mount reads --mount type=bind,source=...,target=....
func (p parsed) mount(f *audit.Facts, value string) {
	m := audit.Mount{Writable: true, At: at("mount " + value)}
	kind := "volume"
	var options []string
	for _, part := range strings.Split(value, ",") {
		key, text, given := strings.Cut(part, "=")
		switch key {
		case "type":
			kind = text
		case "source", "src":
			m.Host = text
		case "target", "destination", "dst":
			m.Inside = text
		case "readonly", "ro":
			m.Writable = given && text != "true" && text != "1"
		case "bind-propagation":
			m.Shared = text == "shared" || text == "rshared"
		case "tmpfs-size":
			options = append(options, "size="+text)
		}
	}
	switch kind {
	case "bind":
		f.Mounts = append(f.Mounts, m)
	case "tmpfs":
		f.Tmpfs = append(f.Tmpfs, tmpfs(m.Inside, options, m.At))
	}
}

// tmpfs: docker's own options are noexec, nosuid and nodev.
func tmpfs(path string, options []string, at audit.Place) audit.Tmpfs {
	has := func(name string) bool { return slices.Contains(options, name) }
	return audit.Tmpfs{
		Path: path, Exec: has("exec"), Suid: has("suid"), Dev: has("dev"), At: at,
		Bounded: slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "size=") }),
	}
}

// port reads -p [[IP:]HOST:]INSIDE[/PROTOCOL]; of a range the first counts.
func port(value string) audit.Port {
	out := audit.Port{At: at("publish " + value)}
	text, _, _ := strings.Cut(value, "/")
	parts := strings.Split(text, ":")
	if strings.HasPrefix(text, "[") {
		if ip, rest, ok := strings.Cut(text[1:], "]:"); ok {
			out.HostIP = ip
			parts = strings.Split(rest, ":")
		}
	} else if len(parts) > 2 {
		out.HostIP = strings.Join(parts[:len(parts)-2], ":")
		parts = parts[len(parts)-2:]
	}
	if ip, err := netip.ParseAddr(out.HostIP); err == nil && ip.IsUnspecified() {
		out.HostIP = ""
	}
	if len(parts) > 1 {
		first, _, _ := strings.Cut(parts[len(parts)-2], "-")
		n, _ := strconv.ParseUint(first, 10, 16)
		out.Host = uint16(n)
	}
	return out
}
