package kubernetes

import "strconv"

// podSecurity is what all containers of the pod have.
func (x *exporter) podSecurity() object {
	sc := object{}
	if !x.rootAllowed() {
		sc = sc.with("runAsNonRoot", true, x.from("process.root"))
	}
	sc = sc.
		with("runAsUser", x.uid, x.from("process.runAsUser")).
		with("runAsGroup", x.gid, x.from("process.runAsGroup")).
		with("fsGroup", x.gid, "what is mounted can be written by the group").
		with("fsGroupChangePolicy", "OnRootMismatch").
		with("supplementalGroupsPolicy", "Strict", "the image's /etc/group adds none").
		with("seccompProfile", x.seccompProfile(), x.from("seccomp.allow"))
	switch x.o.AppArmor {
	case None:
	case RuntimeDefault:
		sc = sc.with("appArmorProfile", object{}.with("type", "RuntimeDefault", "--apparmor none where the nodes have no AppArmor"))
	default:
		sc = sc.with("appArmorProfile", object{}.with("type", "Localhost").with("localhostProfile", x.o.AppArmor, "--apparmor"))
	}
	if start := x.p.Network.UnprivilegedPortStart; start != nil {
		sysctl := object{}.with("name", "net.ipv4.ip_unprivileged_port_start").
			with("value", strconv.FormatInt(*start, 10), x.from("network.unprivilegedPortStart"))
		sc = sc.with("sysctls", list{sysctl})
	}
	return sc
}

func (x *exporter) seccompProfile() object {
	if x.o.Seccomp == RuntimeDefault {
		return object{}.with("type", "RuntimeDefault", "--seccomp")
	}
	return object{}.with("type", "Localhost").with("localhostProfile", x.filterPath(), "below /var/lib/kubelet/seccomp on each node")
}

// containerSecurity is what only a container can have.
func (x *exporter) containerSecurity() object {
	capabilities := object{}.with("drop", list{"ALL"})
	var added list
	for _, c := range x.p.Process.Capabilities {
		added = append(added, noted{c.Name, x.from("process.capabilities[" + c.Name + "]")})
	}
	if added != nil {
		capabilities = capabilities.with("add", added)
	}
	return object{}.
		with("allowPrivilegeEscalation", false, "no_new_privs, as always").
		with("privileged", false).
		with("readOnlyRootFilesystem", or(x.p.Rootfs.ReadOnly, true), x.from("rootfs.readOnly")).
		with("procMount", "Default").
		with("capabilities", capabilities, x.from("process.capabilities"))
}
