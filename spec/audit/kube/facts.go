package kube

import (
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"

	"github.com/safe-run/safe-run/spec/audit"
)

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// Facts are those of the pod's containers, of every kind.
func (p Pod) Facts() []audit.Facts {
	var out []audit.Facts
	for _, one := range p.containers() {
		out = append(out, p.facts(one))
	}
	return out
}

func (p Pod) facts(one placed) audit.Facts {
	c := one.container
	in := one.path + ".securityContext"
	own := c.SecurityContext
	if own == nil {
		own = &core.SecurityContext{}
	}
	shared := p.Spec.SecurityContext
	if shared == nil {
		shared = &core.PodSecurityContext{}
	}
	f := audit.Facts{
		Subject:      p.Name + ", container " + c.Name,
		Seccomp:      p.seccomp(own, shared, in),
		Capabilities: p.capabilities(own, in),
		Privileged:   audit.Default(false, "not privileged"),
		Root:         p.root(own, shared, in),
		PID:          audit.Said(!p.Spec.HostPID, p.at("spec.hostPID")),
		IPC:          audit.Said(!p.Spec.HostIPC, p.at("spec.hostIPC")),
		Network:      audit.Said(!p.Spec.HostNetwork, p.at("spec.hostNetwork")),
		UTS:          audit.Said(!p.Spec.HostNetwork, p.at("spec.hostNetwork")),
		Memory:       p.limit(c, core.ResourceMemory, one.path),
		CPU:          p.limit(c, core.ResourceCPU, one.path),
		Pids:         audit.Elsewhere[bool]("the kubelet's podPidsLimit decides"),
		Rlimits:      audit.Elsewhere[bool]("the container runtime of the node decides: a pod cannot set rlimits"),
		Masked:       audit.Default(true, "the runtime's default"),
		LSM:          p.lsm(c, own, shared, in),
		Reach:        audit.Elsewhere[audit.Reach]("the cluster's NetworkPolicies decide"),
		OwnCgroup:    audit.Default(true, "the kubelet's"),
		Image:        audit.Said(c.Image, p.at(one.path+".image")),
		Pinned:       strings.Contains(c.Image, "@sha256:"),
	}
	if c.Image == "" {
		f.Image = audit.Elsewhere[string]("no image is named")
	}
	f.UserNamespace = audit.Default(false, "hostUsers is not false")
	if p.Spec.HostUsers != nil {
		f.UserNamespace = audit.Said(!*p.Spec.HostUsers, p.at("spec.hostUsers"))
	}
	f.ReadOnlyRoot = said(own.ReadOnlyRootFilesystem, false, p.at(in+".readOnlyRootFilesystem"))
	if own.Privileged != nil {
		f.Privileged = audit.Said(*own.Privileged, p.at(in+".privileged"))
	}
	f.NoNewPrivileges = audit.Default(false, "allowPrivilegeEscalation is not false")
	if own.AllowPrivilegeEscalation != nil {
		f.NoNewPrivileges = audit.Said(!*own.AllowPrivilegeEscalation, p.at(in+".allowPrivilegeEscalation"))
	}
	if own.ProcMount != nil {
		f.Masked = audit.Said(*own.ProcMount == core.DefaultProcMount, p.at(in+".procMount"))
	}
	p.outside(&f, one, shared)
	return f
}

// said is a setting, or what its absence means.
func said(value *bool, otherwise bool, at audit.Place) audit.Answer[bool] {
	if value == nil {
		a := audit.Default(otherwise, "")
		a.At = at
		return a
	}
	return audit.Said(*value, at)
}

func (p Pod) seccomp(own *core.SecurityContext, shared *core.PodSecurityContext, in string) audit.Answer[audit.Filter] {
	profile, at := own.SeccompProfile, p.at(in+".seccompProfile")
	if profile == nil {
		profile, at = shared.SeccompProfile, p.at("spec.securityContext.seccompProfile")
	}
	if profile == nil {
		a := audit.Default(audit.NoFilter, "unless the kubelet has seccompDefault: no seccompProfile is named")
		a.At = p.at(in)
		return a
	}
	switch profile.Type {
	case core.SeccompProfileTypeRuntimeDefault:
		return audit.Said(audit.RuntimeDefault, at)
	case core.SeccompProfileTypeLocalhost:
		return audit.Elsewhere[audit.Filter]("it is a file of the node")
	}
	return audit.Said(audit.NoFilter, at)
}

func (p Pod) capabilities(own *core.SecurityContext, in string) audit.Answer[[]string] {
	held := audit.DockerCapabilities()
	at := p.at(in + ".capabilities")
	if own.Capabilities == nil {
		a := audit.Default(held, "which the runtime gives to who drops none")
		a.At = at
		return a
	}
	bare := func(name core.Capability) string { return strings.TrimPrefix(strings.ToUpper(string(name)), "CAP_") }
	for _, name := range own.Capabilities.Drop {
		if bare(name) == "ALL" {
			held = nil
		}
		held = slices.DeleteFunc(held, func(one string) bool { return one == bare(name) })
	}
	for _, name := range own.Capabilities.Add {
		if !slices.Contains(held, bare(name)) {
			held = append(held, bare(name))
		}
	}
	return audit.Said(held, at)
}

func (p Pod) root(own *core.SecurityContext, shared *core.PodSecurityContext, in string) audit.Answer[bool] {
	user, at := own.RunAsUser, p.at(in+".runAsUser")
	if user == nil {
		user, at = shared.RunAsUser, p.at("spec.securityContext.runAsUser")
	}
	if user != nil {
		return audit.Said(*user == 0, at)
	}
	non, at := own.RunAsNonRoot, p.at(in+".runAsNonRoot")
	if non == nil {
		non, at = shared.RunAsNonRoot, p.at("spec.securityContext.runAsNonRoot")
	}
	if non != nil && *non {
		return audit.Said(false, at)
	}
	a := audit.Default(true, "unless the image names another user: neither runAsUser nor runAsNonRoot is set")
	a.At = p.at(in)
	return a
}

// limit looks at the container's own, and at the pod's.
func (p Pod) limit(c *core.Container, name core.ResourceName, path string) audit.Answer[bool] {
	if q, there := c.Resources.Limits[name]; there && !q.IsZero() {
		return audit.Said(true, p.at(path+".resources.limits."+string(name)))
	}
	if p.Spec.Resources != nil {
		if q, there := p.Spec.Resources.Limits[name]; there && !q.IsZero() {
			return audit.Said(true, p.at("spec.resources.limits."+string(name)))
		}
	}
	a := audit.Default(false, "unless the namespace has a LimitRange")
	a.At = p.at(path + ".resources")
	return a
}

func (p Pod) lsm(c *core.Container, own *core.SecurityContext, shared *core.PodSecurityContext, in string) audit.Answer[audit.Confinement] {
	profile, at := own.AppArmorProfile, p.at(in+".appArmorProfile")
	if profile == nil {
		profile, at = shared.AppArmorProfile, p.at("spec.securityContext.appArmorProfile")
	}
	annotation, there := p.Meta.Annotations[core.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+c.Name]
	switch {
	case profile != nil && profile.Type == core.AppArmorProfileTypeUnconfined:
		return audit.Said(audit.Unconfined, at)
	case profile != nil:
		return audit.Said(audit.Confined, at)
	case there:
		at = p.at("metadata.annotations")
		if annotation == "unconfined" {
			return audit.Said(audit.Unconfined, at)
		}
		return audit.Said(audit.Confined, at)
	}
	options, at := own.SELinuxOptions, p.at(in+".seLinuxOptions")
	if options == nil {
		options, at = shared.SELinuxOptions, p.at("spec.securityContext.seLinuxOptions")
	}
	if options != nil {
		if badSELinux(options) {
			return audit.Said(audit.Unconfined, at)
		}
		return audit.Said(audit.Confined, at)
	}
	return audit.Elsewhere[audit.Confinement]("nothing is named: the node's AppArmor or SELinux decides")
}

// outside is what of the host is inside: mounts, devices, ports, sysctls.
func (p Pod) outside(f *audit.Facts, one placed, shared *core.PodSecurityContext) {
	c := one.container
	host := map[string]string{}
	memory := map[string]*core.EmptyDirVolumeSource{}
	for _, v := range p.Spec.Volumes {
		if v.HostPath != nil {
			host[v.Name] = v.HostPath.Path
		}
		if v.EmptyDir != nil && v.EmptyDir.Medium == core.StorageMediumMemory {
			memory[v.Name] = v.EmptyDir
		}
	}
	for i, m := range c.VolumeMounts {
		at := p.at(element(one.path+".volumeMounts", i))
		bidirectional := m.MountPropagation != nil && *m.MountPropagation == core.MountPropagationBidirectional
		if path, ok := host[m.Name]; ok {
			f.Mounts = append(f.Mounts, audit.Mount{Host: path, Inside: m.MountPath, Writable: !m.ReadOnly, Shared: bidirectional, At: at})
		}
		if v, ok := memory[m.Name]; ok {
			// The kubelet mounts it with nosuid and nodev, never noexec.
			f.Tmpfs = append(f.Tmpfs, audit.Tmpfs{Path: m.MountPath, Bounded: v.SizeLimit != nil && !v.SizeLimit.IsZero(), Exec: true, At: at})
		}
	}
	for i, d := range c.VolumeDevices {
		f.Devices = append(f.Devices, audit.Named{Name: "block volume at " + d.DevicePath, At: p.at(element(one.path+".volumeDevices", i))})
	}
	for i, port := range c.Ports {
		if port.HostPort != 0 {
			f.Ports = append(f.Ports, audit.Port{HostIP: port.HostIP, Host: uint16(port.HostPort), At: p.at(element(one.path+".ports", i) + ".hostPort")})
		}
	}
	for i, s := range shared.Sysctls {
		f.Sysctls = append(f.Sysctls, audit.Named{Name: s.Name, At: p.at(element("spec.securityContext.sysctls", i))})
	}
}
