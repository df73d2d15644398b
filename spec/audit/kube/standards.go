package kube

import (
	"slices"
	"strings"

	core "k8s.io/api/core/v1"

	"github.com/safe-run/safe-run/spec/audit"
)

// Level is one of the Pod Security Standards.
type Level string

// The levels, loosest first.
const (
	Privileged Level = "privileged"
	Baseline   Level = "baseline"
	Restricted Level = "restricted"
)

// Standard gives the strictest level that a pod satisfies, as the standards are in
// Kubernetes 1.37, and the checks that keep it from the next one. The ids of
// checks are those of k8s.io/pod-security-admission.
func (p Pod) Standard() (Level, []string) {
	if failed := p.Failed(Baseline); len(failed) > 0 {
		return Privileged, failed
	}
	if failed := p.Failed(Restricted); len(failed) > 0 {
		return Baseline, failed
	}
	return Restricted, nil
}

type check struct {
	id    string
	level Level
	// stands in for a check of baseline that asks for less.
	overrides string
	bad       func(p Pod) bool
}

var checks = []check{
	{"allowPrivilegeEscalation", Restricted, "", func(p Pod) bool {
		return !p.windows() && p.any(func(c *core.Container) bool {
			s := c.SecurityContext
			return s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation
		})
	}},
	{"appArmorProfile", Baseline, "", Pod.badAppArmor},
	{"capabilities_baseline", Baseline, "", func(p Pod) bool { return p.addsOther(baselineCapabilities) }},
	{"capabilities_restricted", Restricted, "capabilities_baseline", func(p Pod) bool {
		return !p.windows() && (p.addsOther([]core.Capability{"NET_BIND_SERVICE"}) || p.any(func(c *core.Container) bool {
			s := c.SecurityContext
			return s == nil || s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL")
		}))
	}},
	{"hostNamespaces", Baseline, "", func(p Pod) bool { return p.Spec.HostNetwork || p.Spec.HostPID || p.Spec.HostIPC }},
	{"hostPathVolumes", Baseline, "", func(p Pod) bool {
		return slices.ContainsFunc(p.Spec.Volumes, func(v core.Volume) bool { return v.HostPath != nil })
	}},
	{"hostPorts", Baseline, "", func(p Pod) bool {
		return p.any(func(c *core.Container) bool {
			return slices.ContainsFunc(c.Ports, func(port core.ContainerPort) bool { return port.HostPort != 0 })
		})
	}},
	{"hostProbesAndHostLifecycle", Baseline, "", func(p Pod) bool { return p.any(asksHost) }},
	{"privileged", Baseline, "", func(p Pod) bool {
		return p.any(func(c *core.Container) bool {
			s := c.SecurityContext
			return s != nil && s.Privileged != nil && *s.Privileged
		})
	}},
	{"procMount", Baseline, "", func(p Pod) bool { return !p.ownUsers() && p.any(unmasked) }},
	{"procMount_restricted", Restricted, "procMount", func(p Pod) bool { return p.any(unmasked) }},
	{"restrictedVolumes", Restricted, "hostPathVolumes", func(p Pod) bool { return slices.ContainsFunc(p.Spec.Volumes, otherVolume) }},
	{"runAsNonRoot", Restricted, "", Pod.mayBeRoot},
	{"runAsUser", Restricted, "", func(p Pod) bool {
		s := p.Spec.SecurityContext
		return !p.ownUsers() && (s != nil && zero(s.RunAsUser) || p.any(func(c *core.Container) bool {
			return c.SecurityContext != nil && zero(c.SecurityContext.RunAsUser)
		}))
	}},
	{"seLinuxOptions", Baseline, "", func(p Pod) bool {
		s := p.Spec.SecurityContext
		return s != nil && badSELinux(s.SELinuxOptions) || p.any(func(c *core.Container) bool {
			return c.SecurityContext != nil && badSELinux(c.SecurityContext.SELinuxOptions)
		})
	}},
	{"seccompProfile_baseline", Baseline, "", Pod.badSeccomp},
	{"seccompProfile_restricted", Restricted, "seccompProfile_baseline", func(p Pod) bool {
		pod := p.Spec.SecurityContext != nil && p.Spec.SecurityContext.SeccompProfile != nil
		return !p.windows() && (p.badSeccomp() || !pod && p.any(func(c *core.Container) bool {
			return c.SecurityContext == nil || c.SecurityContext.SeccompProfile == nil
		}))
	}},
	{"sysctls", Baseline, "", func(p Pod) bool {
		s := p.Spec.SecurityContext
		return s != nil && slices.ContainsFunc(s.Sysctls, func(one core.Sysctl) bool { return !audit.SafeSysctl(one.Name) })
	}},
	{"windowsHostProcess", Baseline, "", func(p Pod) bool {
		s := p.Spec.SecurityContext
		return s != nil && hostProcess(s.WindowsOptions) || p.any(func(c *core.Container) bool {
			return c.SecurityContext != nil && hostProcess(c.SecurityContext.WindowsOptions)
		})
	}},
}

// Failed are the checks of a level that a pod does not pass. A check of baseline
// that one of restricted stands in for is not among those of restricted.
func (p Pod) Failed(level Level) []string {
	var out, overridden []string
	if level == Restricted {
		for _, c := range checks {
			overridden = append(overridden, c.overrides)
		}
	}
	for _, c := range checks {
		if (c.level == Baseline || level == Restricted) && !slices.Contains(overridden, c.id) && c.bad(p) {
			out = append(out, c.id)
		}
	}
	return out
}

// any visits the containers of every kind.
func (p Pod) any(is func(*core.Container) bool) bool {
	for _, one := range p.containers() {
		if is(one.container) {
			return true
		}
	}
	return false
}

type placed struct {
	container *core.Container
	path      string
}

func (p Pod) containers() []placed {
	var out []placed
	for i := range p.Spec.InitContainers {
		out = append(out, placed{&p.Spec.InitContainers[i], element("spec.initContainers", i)})
	}
	for i := range p.Spec.Containers {
		out = append(out, placed{&p.Spec.Containers[i], element("spec.containers", i)})
	}
	for i := range p.Spec.EphemeralContainers {
		c := core.Container(p.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		out = append(out, placed{&c, element("spec.ephemeralContainers", i)})
	}
	return out
}

func (p Pod) windows() bool { return p.Spec.OS != nil && p.Spec.OS.Name == core.Windows }

func (p Pod) ownUsers() bool { return p.Spec.HostUsers != nil && !*p.Spec.HostUsers }

var baselineCapabilities = []core.Capability{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

func (p Pod) addsOther(allowed []core.Capability) bool {
	return p.any(func(c *core.Container) bool {
		s := c.SecurityContext
		return s != nil && s.Capabilities != nil && slices.ContainsFunc(s.Capabilities.Add, func(name core.Capability) bool { return !slices.Contains(allowed, name) })
	})
}

func (p Pod) badAppArmor() bool {
	bad := func(a *core.AppArmorProfile) bool {
		return a != nil && a.Type != core.AppArmorProfileTypeRuntimeDefault && a.Type != core.AppArmorProfileTypeLocalhost
	}
	for key, value := range p.Meta.Annotations {
		if strings.HasPrefix(key, core.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix) && value != "" && value != "runtime/default" && !strings.HasPrefix(value, "localhost/") {
			return true
		}
	}
	s := p.Spec.SecurityContext
	return s != nil && bad(s.AppArmorProfile) || p.any(func(c *core.Container) bool {
		return c.SecurityContext != nil && bad(c.SecurityContext.AppArmorProfile)
	})
}

func (p Pod) badSeccomp() bool {
	bad := func(s *core.SeccompProfile) bool {
		return s != nil && s.Type != core.SeccompProfileTypeLocalhost && s.Type != core.SeccompProfileTypeRuntimeDefault
	}
	s := p.Spec.SecurityContext
	return s != nil && bad(s.SeccompProfile) || p.any(func(c *core.Container) bool {
		return c.SecurityContext != nil && bad(c.SecurityContext.SeccompProfile)
	})
}

func (p Pod) mayBeRoot() bool {
	if p.ownUsers() {
		return false
	}
	var pod *bool
	if p.Spec.SecurityContext != nil {
		pod = p.Spec.SecurityContext.RunAsNonRoot
	}
	if pod != nil && !*pod {
		return true
	}
	return p.any(func(c *core.Container) bool {
		if c.SecurityContext != nil && c.SecurityContext.RunAsNonRoot != nil {
			return !*c.SecurityContext.RunAsNonRoot
		}
		return pod == nil
	})
}

func zero(n *int64) bool { return n != nil && *n == 0 }

func unmasked(c *core.Container) bool {
	s := c.SecurityContext
	return s != nil && s.ProcMount != nil && *s.ProcMount != core.DefaultProcMount
}

func badSELinux(s *core.SELinuxOptions) bool {
	allowed := []string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
	return s != nil && (!slices.Contains(allowed, s.Type) || s.User != "" || s.Role != "")
}

func hostProcess(w *core.WindowsSecurityContextOptions) bool {
	return w != nil && w.HostProcess != nil && *w.HostProcess
}

// asksHost says whether a probe or a handler makes the kubelet call another host
// than the pod.
func asksHost(c *core.Container) bool {
	call := func(get *core.HTTPGetAction, tcp *core.TCPSocketAction) bool {
		return get != nil && get.Host != "" || tcp != nil && tcp.Host != ""
	}
	for _, probe := range []*core.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if probe != nil && call(probe.HTTPGet, probe.TCPSocket) {
			return true
		}
	}
	if c.Lifecycle == nil {
		return false
	}
	for _, handler := range []*core.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
		if handler != nil && call(handler.HTTPGet, handler.TCPSocket) {
			return true
		}
	}
	return false
}

// otherVolume says whether a volume is of none of the kinds that restricted lets
// pass.
func otherVolume(v core.Volume) bool {
	return v.ConfigMap == nil && v.CSI == nil && v.DownwardAPI == nil && v.EmptyDir == nil && v.Ephemeral == nil && v.Image == nil &&
		v.PersistentVolumeClaim == nil && v.Projected == nil && v.Secret == nil
}
