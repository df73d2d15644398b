package kubernetes

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
)

// check is one demand on a pod: an expression in Kubernetes's CEL, and what is
// said to whom it refuses.
type check struct{ expression, message, from string }

// containers are those that a pod starts with. Ephemeral ones come later, and are
// refused whole.
const containersVariable = "object.spec.containers + object.spec.?initContainers.orValue([])"

// each asks something of every container, which is called c.
func each(demand string) string { return "variables.containers.all(c, " + demand + ")" }

// effective is a setting of a container, or else the pod's, or else nothing said.
func effective(path, unset string) string {
	return fmt.Sprintf("c.?securityContext.%s.orValue(object.spec.?securityContext.%s.orValue(%s))", path, path, unset)
}

// quoted writes a text as CEL does.
func quoted(s string) string { return strconv.QuoteToASCII(s) }

func quotedList(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = quoted(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// checks are what the profile demands of every pod of the namespace, the same
// for the cluster's own admission and for Kyverno.
func (x *exporter) checks() []check {
	var out []check
	for _, part := range []func() []check{x.podChecks, x.userChecks, x.containerChecks, x.filterChecks, x.volumeChecks, x.resourceChecks, x.imageChecks} {
		out = append(out, part()...)
	}
	return out
}

func (x *exporter) podChecks() []check {
	out := []check{
		{"!object.spec.?hostNetwork.orValue(false) && !object.spec.?hostPID.orValue(false) && !object.spec.?hostIPC.orValue(false)",
			"the node's network, processes and IPC are not shared", "network.mode"},
		{"!object.spec.?automountServiceAccountToken.orValue(true)", "automountServiceAccountToken must be false", ""},
		{"!object.spec.?enableServiceLinks.orValue(true)", "enableServiceLinks must be false", ""},
		{"object.spec.?ephemeralContainers.orValue([]).size() == 0", "ephemeral containers are not added", ""},
		{each("c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0)"), "no port of the node is taken (hostPort)", ""},
	}
	if !x.o.HostUsers {
		out = append(out, check{"!object.spec.?hostUsers.orValue(true)", "hostUsers must be false", ""})
	}
	if !or(x.p.Process.Init, false) {
		out = append(out, check{"!object.spec.?shareProcessNamespace.orValue(false)", "shareProcessNamespace must not be true", "process.init"})
	}
	if x.o.RuntimeClass != "" {
		out = append(out, check{"object.spec.?runtimeClassName.orValue('') == " + quoted(x.o.RuntimeClass), "runtimeClassName must be " + x.o.RuntimeClass, ""})
	}
	name, least := "net.ipv4.ip_unprivileged_port_start", or(x.p.Network.UnprivilegedPortStart, 1024)
	out = append(out, check{
		fmt.Sprintf("object.spec.?securityContext.?sysctls.orValue([]).all(s, s.name == %s && int(s.value) >= %d)", quoted(name), least),
		fmt.Sprintf("no sysctl may be set but %s, to %d or more", name, least), "network.unprivilegedPortStart",
	})
	return out
}

func (x *exporter) userChecks() []check {
	if x.rootAllowed() {
		return nil
	}
	return []check{
		{each(effective("?runAsNonRoot", "false")), "runAsNonRoot must be true", "process.root"},
		{each(effective("?runAsUser", "0") + " > 0"), "runAsUser must be said, and not root", "process.runAsUser"},
		{each(effective("?runAsGroup", "0") + " > 0"), "runAsGroup must be said, and not root's", "process.runAsGroup"},
		{"object.spec.?securityContext.?fsGroup.orValue(1) > 0 && object.spec.?securityContext.?supplementalGroups.orValue([]).all(g, g > 0)",
			"no group may be root's", "process.root"},
		{"object.spec.?securityContext.?supplementalGroupsPolicy.orValue('') == 'Strict'", "supplementalGroupsPolicy must be Strict", "process.root"},
	}
}

func (x *exporter) containerChecks() []check {
	capabilities := make([]string, len(x.p.Process.Capabilities))
	for i, c := range x.p.Process.Capabilities {
		capabilities[i] = c.Name
	}
	message := "no capability may be added"
	if len(capabilities) > 0 {
		message = "no capability may be added but " + strings.Join(capabilities, ", ")
	}
	out := []check{
		{each("!c.?securityContext.?allowPrivilegeEscalation.orValue(true)"), "allowPrivilegeEscalation must be false", ""},
		{each("!c.?securityContext.?privileged.orValue(false)"), "privileged must not be true", ""},
		{each("c.?securityContext.?procMount.orValue('Default') == 'Default'"), "procMount must be Default", "paths.masked"},
		{each("c.?securityContext.?capabilities.?drop.orValue([]).exists(d, d == 'ALL')"), "all capabilities must be dropped", "process.capabilities"},
		{each("c.?securityContext.?capabilities.?add.orValue([]).all(a, a in " + quotedList(capabilities) + ")"), message, "process.capabilities"},
	}
	if or(x.p.Rootfs.ReadOnly, true) {
		out = append(out, check{each("c.?securityContext.?readOnlyRootFilesystem.orValue(false)"), "readOnlyRootFilesystem must be true", "rootfs.readOnly"})
	}
	return out
}

func (x *exporter) filterChecks() []check {
	kind, file := effective("?seccompProfile.?type", "''"), effective("?seccompProfile.?localhostProfile", "''")
	out := []check{{each(kind + " == 'Localhost' && " + file + " == " + quoted(x.filterPath())), "seccompProfile must be Localhost " + x.filterPath(), "seccomp.allow"}}
	if x.o.Seccomp == RuntimeDefault {
		out = []check{{each(kind + " in ['RuntimeDefault', 'Localhost']"), "seccompProfile must be RuntimeDefault or Localhost", "seccomp.allow"}}
	}
	kind, file = effective("?appArmorProfile.?type", "''"), effective("?appArmorProfile.?localhostProfile", "''")
	switch x.o.AppArmor {
	case None:
		return append(out, check{each(kind + " != 'Unconfined'"), "appArmorProfile must not be Unconfined", ""})
	case RuntimeDefault:
		return append(out, check{each(kind + " in ['RuntimeDefault', 'Localhost']"), "appArmorProfile must be RuntimeDefault or Localhost", ""})
	}
	return append(out, check{each(kind + " == 'Localhost' && " + file + " == " + quoted(x.o.AppArmor)), "appArmorProfile must be Localhost " + x.o.AppArmor, ""})
}

// volumeChecks leave what shows nothing of the node.
func (x *exporter) volumeChecks() []check {
	kinds := []string{"configMap", "downwardAPI", "emptyDir", "projected", "secret"}
	message := "volumes may be configMap, downwardAPI, emptyDir, projected or secret"
	if or(x.p.Mounts.Volumes, false) {
		kinds = append(kinds, "ephemeral", "persistentVolumeClaim")
		message = "volumes may be configMap, downwardAPI, emptyDir, ephemeral, persistentVolumeClaim, projected or secret"
	}
	var has []string
	for _, k := range kinds {
		has = append(has, "has(v."+k+")")
	}
	all := "object.spec.?volumes.orValue([])"
	return []check{
		{all + ".all(v, " + strings.Join(has, " || ") + ")", message, "mounts.volumes"},
		{all + ".all(v, !has(v.emptyDir) || has(v.emptyDir.sizeLimit))", "every emptyDir needs a sizeLimit", "mounts.tmpfs"},
		{all + ".all(v, !has(v.projected) || v.projected.sources.all(s, !has(s.serviceAccountToken)))", "no token of a service account is mounted", ""},
	}
}

// resourceChecks bound each container by the profile.
func (x *exporter) resourceChecks() []check {
	var out []check
	bound := func(name, most, from string) {
		limit := "quantity(c.resources.limits['" + name + "'])"
		out = append(out, check{
			each("'" + name + "' in c.?resources.?limits.orValue({}) && " + limit + ".compareTo(quantity('" + most + "')) <= 0"),
			"resources.limits." + name + " must be said, and " + most + " at most", from,
		})
	}
	r := x.p.Resources
	if r.Memory != nil {
		bound("memory", quantity(*r.Memory), "resources.memory")
		if or(r.Swap, 0) == 0 {
			out = append(out, check{
				each("!('memory' in c.?resources.?requests.orValue({})) || !('memory' in c.?resources.?limits.orValue({})) || " +
					"quantity(c.resources.requests['memory']).compareTo(quantity(c.resources.limits['memory'])) == 0"),
				"resources.requests.memory must equal the limit, so that there is no swap", "resources.swap",
			})
		}
	}
	if r.CPUs != nil {
		bound("cpu", cpuText(*r.CPUs), "resources.cpus")
	}
	bound("ephemeral-storage", quantity(x.disk()), "rootfs.size")
	return out
}

func (x *exporter) imageChecks() []check {
	var out []check
	if r := x.p.Image.Registries; r != nil {
		out = append(out, check{
			each(quotedList(prefixes(r)) + ".exists(r, c.image.startsWith(r))"), "images come from " + orNone(r) + ", by their full names", "image.registries",
		})
	}
	if or(x.p.Image.RequireDigest, false) {
		out = append(out, check{each("c.image.matches('@sha256:[0-9a-f]{64}$')"), "images are named by digest", "image.requireDigest"})
	}
	return out
}

// prefixes are the registries as images begin with them.
func prefixes(all []profiles.Registry) []string {
	out := make([]string, len(all))
	for i, r := range all {
		out[i] = strings.TrimSuffix(string(r), "/") + "/"
	}
	return out
}
