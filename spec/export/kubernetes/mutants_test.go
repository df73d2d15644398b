package kubernetes

import (
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// mutants weaken a pod in one way each, by what the refusal says; what stands
// behind # tells several apart.
var mutants = map[string]func(p *core.PodSpec, c *core.Container){
	"network, processes and IPC#network":    func(p *core.PodSpec, _ *core.Container) { p.HostNetwork = true },
	"network, processes and IPC#pid":        func(p *core.PodSpec, _ *core.Container) { p.HostPID = true },
	"network, processes and IPC#ipc":        func(p *core.PodSpec, _ *core.Container) { p.HostIPC = true },
	"automountServiceAccountToken#true":     func(p *core.PodSpec, _ *core.Container) { p.AutomountServiceAccountToken = ptr(true) },
	"automountServiceAccountToken#unset":    func(p *core.PodSpec, _ *core.Container) { p.AutomountServiceAccountToken = nil },
	"enableServiceLinks#true":               func(p *core.PodSpec, _ *core.Container) { p.EnableServiceLinks = ptr(true) },
	"enableServiceLinks#unset":              func(p *core.PodSpec, _ *core.Container) { p.EnableServiceLinks = nil },
	"hostUsers#true":                        func(p *core.PodSpec, _ *core.Container) { p.HostUsers = ptr(true) },
	"hostUsers#unset":                       func(p *core.PodSpec, _ *core.Container) { p.HostUsers = nil },
	"shareProcessNamespace":                 func(p *core.PodSpec, _ *core.Container) { p.ShareProcessNamespace = ptr(true) },
	"runtimeClassName#other":                func(p *core.PodSpec, _ *core.Container) { p.RuntimeClassName = ptr("runc") },
	"runtimeClassName#unset":                func(p *core.PodSpec, _ *core.Container) { p.RuntimeClassName = nil },
	"hostPort":                              func(_ *core.PodSpec, c *core.Container) { c.Ports[0].HostPort = 80 },
	"no sysctl may be set#other":            func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.Sysctls[0].Name = "kernel.shm_rmid_forced" },
	"runAsNonRoot#false":                    func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.RunAsNonRoot = ptr(false) },
	"runAsNonRoot#unset":                    func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.RunAsNonRoot = nil },
	"runAsNonRoot#container":                func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.RunAsNonRoot = ptr(false) },
	"runAsNonRoot#no context":               func(p *core.PodSpec, _ *core.Container) { p.SecurityContext = nil },
	"runAsUser#root":                        func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.RunAsUser = ptr(int64(0)) },
	"runAsUser#unset":                       func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.RunAsUser = nil },
	"runAsUser#container":                   func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.RunAsUser = ptr(int64(0)) },
	"runAsGroup#root":                       func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.RunAsGroup = ptr(int64(0)) },
	"runAsGroup#container":                  func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.RunAsGroup = ptr(int64(0)) },
	"no group may be root's#fsGroup":        func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.FSGroup = ptr(int64(0)) },
	"no group may be root's#supplemental":   func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.SupplementalGroups = []int64{7, 0} },
	"supplementalGroupsPolicy":              func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.SupplementalGroupsPolicy = nil },
	"allowPrivilegeEscalation#true":         func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.AllowPrivilegeEscalation = ptr(true) },
	"allowPrivilegeEscalation#unset":        func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.AllowPrivilegeEscalation = nil },
	"allowPrivilegeEscalation#no context":   func(_ *core.PodSpec, c *core.Container) { c.SecurityContext = nil },
	"privileged must not":                   func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.Privileged = ptr(true) },
	"procMount":                             func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.ProcMount = ptr(core.UnmaskedProcMount) },
	"all capabilities must be dropped#none": func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.Capabilities.Drop = nil },
	"all capabilities must be dropped#some": func(_ *core.PodSpec, c *core.Container) {
		c.SecurityContext.Capabilities.Drop = []core.Capability{"KILL"}
	},
	"no capability may be added": func(_ *core.PodSpec, c *core.Container) {
		c.SecurityContext.Capabilities.Add = []core.Capability{"NET_BIND_SERVICE"}
	},
	"readOnlyRootFilesystem#false": func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.ReadOnlyRootFilesystem = ptr(false) },
	"readOnlyRootFilesystem#unset": func(_ *core.PodSpec, c *core.Container) { c.SecurityContext.ReadOnlyRootFilesystem = nil },
	"seccompProfile#unset":         func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.SeccompProfile = nil },
	"seccompProfile#default": func(p *core.PodSpec, _ *core.Container) {
		p.SecurityContext.SeccompProfile = &core.SeccompProfile{Type: "RuntimeDefault"}
	},
	"seccompProfile#other": func(p *core.PodSpec, _ *core.Container) {
		p.SecurityContext.SeccompProfile.LocalhostProfile = ptr("other.json")
	},
	"seccompProfile#container": func(_ *core.PodSpec, c *core.Container) {
		c.SecurityContext.SeccompProfile = &core.SeccompProfile{Type: "Unconfined"}
	},
	"appArmorProfile#unset": func(p *core.PodSpec, _ *core.Container) { p.SecurityContext.AppArmorProfile = nil },
	"appArmorProfile#container": func(_ *core.PodSpec, c *core.Container) {
		c.SecurityContext.AppArmorProfile = &core.AppArmorProfile{Type: "Unconfined"}
	},
	"volumes may be#hostPath":          volume(core.VolumeSource{HostPath: &core.HostPathVolumeSource{Path: "/"}}),
	"volumes may be#nfs":               volume(core.VolumeSource{NFS: &core.NFSVolumeSource{}}),
	"volumes may be#claim":             volume(core.VolumeSource{PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{}}),
	"every emptyDir needs a sizeLimit": volume(core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}),
	"no token of a service account":    volume(core.VolumeSource{Projected: &core.ProjectedVolumeSource{Sources: []core.VolumeProjection{{ServiceAccountToken: &core.ServiceAccountTokenProjection{}}}}}),
	"resources.limits.memory#unset":    func(_ *core.PodSpec, c *core.Container) { delete(c.Resources.Limits, "memory") },
	"resources.limits.memory#more":     func(_ *core.PodSpec, c *core.Container) { c.Resources.Limits["memory"] = resource.MustParse("513Mi") },
	"resources.limits.memory#none":     func(_ *core.PodSpec, c *core.Container) { c.Resources = core.ResourceRequirements{} },
	"resources.limits.cpu#more":        func(_ *core.PodSpec, c *core.Container) { c.Resources.Limits["cpu"] = resource.MustParse("1001m") },
	"resources.limits.ephemeral-storage#more": func(_ *core.PodSpec, c *core.Container) {
		c.Resources.Limits["ephemeral-storage"] = resource.MustParse("1Ti")
	},
	"resources.requests.memory must equal the lim": func(_ *core.PodSpec, c *core.Container) { c.Resources.Requests["memory"] = resource.MustParse("1Mi") },
	"images come from#elsewhere":                   func(_ *core.PodSpec, c *core.Container) { c.Image = "docker.io/acme/shop@" + someDigest },
	"images come from#like it":                     func(_ *core.PodSpec, c *core.Container) { c.Image = "ghcr.io/acme-evil/shop@" + someDigest },
	"images are named by digest":                   func(_ *core.PodSpec, c *core.Container) { c.Image = "ghcr.io/acme/shop:1.2" },
	"ephemeral containers":                         func(p *core.PodSpec, _ *core.Container) { p.EphemeralContainers = []core.EphemeralContainer{{}} },
	// A container beside the good one is looked at as well.
	"runAsNonRoot#second": func(p *core.PodSpec, c *core.Container) {
		second := *c.DeepCopy()
		second.SecurityContext.RunAsNonRoot = ptr(false)
		p.Containers = append(p.Containers, second)
	},
	"allowPrivilegeEscalation#init": func(p *core.PodSpec, c *core.Container) {
		init := *c.DeepCopy()
		init.SecurityContext.AllowPrivilegeEscalation = ptr(true)
		p.InitContainers = append(p.InitContainers, init)
	},
}

func volume(source core.VolumeSource) func(*core.PodSpec, *core.Container) {
	return func(p *core.PodSpec, _ *core.Container) {
		p.Volumes = append(p.Volumes, core.Volume{Name: "more", VolumeSource: source})
	}
}
