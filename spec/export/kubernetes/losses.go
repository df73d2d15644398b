package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
)

// lack notes a loss, with the place of the setting.
func (x *exporter) lack(l export.Loss) {
	if l.Origin == "" {
		l.Origin = x.place(l.Setting)
	}
	x.losses = append(x.losses, l)
}

// lose notes what the manifests do not say, in the order of the profile.
func (x *exporter) lose() {
	x.loseProcess()
	x.loseMounts()
	x.losePaths()
	x.loseResources()
	x.loseSeccomp()
	x.loseNetwork()
	x.losePorts()
	x.loseImage()
	x.loseHealth()
	for _, a := range x.p.Accept {
		x.lack(export.Loss{
			Setting: "accept[" + a.Name + "]", Severity: export.Different,
			Lost: "nodes are not asked what they can enforce: what is accepted here says nothing there", Do: "nothing; the manifests ask for all of it",
		})
	}
}

func (x *exporter) loseProcess() {
	p := x.p.Process
	if x.o.HostUsers {
		x.lack(export.Loss{
			Setting: "user namespace", Value: "--host-users", Severity: export.Weaker,
			Lost: "a user of the container is the same user on the node", Do: "leave out --host-users: nodes with Linux 6.3, containerd 2 or CRI-O can map users",
		})
	}
	for _, c := range p.Capabilities {
		if x.uid != 0 {
			x.lack(export.Loss{
				Setting: "process.capabilities[" + c.Name + "]", Severity: export.Missing,
				Lost: "Kubernetes has no ambient capabilities: the program has it only where its file says so (setcap), which no_new_privs forbids",
				Do:   "do without; ports below 1024 need network.unprivilegedPortStart and no capability",
			})
		}
	}
	for _, r := range p.Rlimits {
		x.lack(export.Loss{
			Setting: "process.rlimits[" + r.Name + "]", Value: fmt.Sprintf("%d:%d", or(r.Soft, 0), or(r.Hard, 0)), Severity: export.Weaker,
			Lost: "a pod has the limits that the container runtime was started with", Do: "set " + rlimitOption(r.Name) + " in the unit of containerd or CRI-O, or ulimit in the program's own start",
		})
	}
	if a := p.SocketActivation; a != nil && or(a.Allow, false) {
		x.lack(export.Loss{
			Setting: "process.socketActivation", Value: fmt.Sprintf("outbound: %t", or(a.Outbound, false)), Severity: export.Missing,
			Lost: "there is no service manager that hands sockets over", Do: "let the program listen by itself, and publish the port with -p",
		})
	}
	if s := p.StopSignal; s != nil {
		x.lack(export.Loss{
			Setting: "process.stopSignal", Value: string(*s), Severity: export.Different,
			Lost: "a cluster without the feature gate ContainerStopSignals drops the field, and the image's own signal is sent",
			Do:   "write STOPSIGNAL " + string(*s) + " in the image",
		})
	}
	if p.OOMScoreAdj != nil {
		x.lack(export.Loss{
			Setting: "process.oomScoreAdj", Value: fmt.Sprint(*p.OOMScoreAdj), Severity: export.Different,
			Lost: "kubelet sets it from the class of the pod: -997 for a guaranteed one", Do: "lower the requests: a pod that is burstable is ended earlier",
		})
	}
}

// rlimitOption is what systemd calls a limit of the runtime.
func rlimitOption(name string) string { return "Limit" + strings.ToUpper(name) + "=" }

func (x *exporter) loseMounts() {
	if !or(x.p.Rootfs.ReadOnly, true) {
		x.lack(export.Loss{
			Setting: "rootfs.size", Value: or(x.p.Rootfs.Size, 256<<20).String(), Severity: export.Different,
			Lost: "what is written to the root lies on the node's disk, and the pod is evicted when it is more; nothing fails with a full disk before",
			Do:   "keep the root read-only, and write to a place of its own (--volume)",
		})
	}
	for _, t := range x.p.Mounts.Tmpfs {
		at := "mounts.tmpfs[" + t.Path + "]"
		if !or(t.Exec, false) {
			x.lack(export.Loss{
				Setting: at + ".exec", Value: "false", Severity: export.Weaker,
				Lost: "an emptyDir is not mounted noexec: what is written there can be executed", Do: "use an AppArmor profile (--apparmor NAME) that denies it: safe-run export apparmor writes one",
			})
		}
		if t.Inodes != nil {
			x.lack(export.Loss{
				Setting: at + ".inodes", Value: fmt.Sprint(*t.Inodes), Severity: export.Weaker,
				Lost: "an emptyDir has no bound on the number of files; they count as memory of the pod", Do: "nothing; resources.memory bounds it",
			})
		}
		if t.Mode != nil {
			x.lack(export.Loss{
				Setting: at + ".mode", Value: t.Mode.String(), Severity: export.Different,
				Lost: "an emptyDir has mode 0777, and the group that fsGroup says", Do: "nothing; the pod has one user",
			})
		}
	}
	for _, h := range x.p.Mounts.HostPaths {
		x.lack(export.Loss{
			Setting: "mounts.hostPaths[" + h.Path + "]", Value: fmt.Sprintf("write: %t", or(h.Write, false)), Severity: export.Missing,
			Lost: "nothing of the node is mounted, and Pod Security refuses hostPath", Do: "put what it needs into a ConfigMap, a Secret or a volume",
		})
	}
	for _, p := range x.writable {
		if !p.memory && !p.claim {
			x.lack(export.Loss{
				Setting: "mounts.volumes", Value: p.path, Severity: export.Different,
				Lost: "it lies in an emptyDir, which ends with the pod", Do: "use --kind StatefulSet, which claims a volume for it",
			})
		}
	}
}

// Paths that containerd and CRI-O hide from a container with procMount: Default,
// or show read-only.
var (
	runtimeMasked = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
	runtimeReadOnly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

func (x *exporter) losePaths() {
	for _, l := range []struct {
		setting, what string
		wanted, have  []string
	}{
		{"paths.masked", "can be read", x.p.Paths.Masked, runtimeMasked},
		{"paths.readOnly", "can be written, as far as the pod's user may", x.p.Paths.ReadOnly, slices.Concat(runtimeMasked, runtimeReadOnly)},
	} {
		rest := slices.DeleteFunc(slices.Clone(l.wanted), func(p string) bool { return slices.Contains(l.have, p) })
		if len(rest) > 0 {
			x.lack(export.Loss{
				Setting: l.setting, Value: strings.Join(rest, " "), Severity: export.Weaker,
				Lost: "the container runtime's own list is all there is: these " + l.what, Do: "use an AppArmor profile (--apparmor NAME) that denies them: safe-run export apparmor writes one",
			})
		}
	}
}

func (x *exporter) loseResources() {
	r := x.p.Resources
	if r.Pids != nil {
		x.lack(export.Loss{
			Setting: "resources.pids", Value: fmt.Sprint(*r.Pids), Severity: export.Weaker,
			Lost: "the number of processes is the node's to bound", Do: fmt.Sprintf("set podPidsLimit: %d, or as much as the largest pod needs, in the KubeletConfiguration", *r.Pids),
		})
	}
	if r.Swap != nil && *r.Swap > 0 {
		x.lack(export.Loss{
			Setting: "resources.swap", Value: r.Swap.String(), Severity: export.Missing,
			Lost: "a guaranteed pod has no swap, and no other says how much", Do: "raise resources.memory, or do without",
		})
	}
	for _, missing := range []struct {
		name string
		set  bool
	}{{"resources.memory", r.Memory != nil}, {"resources.cpus", r.CPUs != nil}} {
		if !missing.set {
			x.lack(export.Loss{
				Setting: missing.name, Severity: export.Weaker,
				Lost: "the profile says nothing, so the namespace's LimitRange does, or nothing: the pod is not guaranteed, and may have swap", Do: "say it in the profile",
			})
		}
	}
}

func (x *exporter) loseSeccomp() {
	s := x.p.Seccomp
	switch x.o.Seccomp {
	case RuntimeDefault:
		x.lack(export.Loss{
			Setting: "seccomp.allow", Value: fmt.Sprintf("%d entries", len(s.Allow)), Severity: export.Weaker,
			Lost: "the runtime's own filter allows some 350 calls, whatever the profile says", Do: "leave out --seccomp " + RuntimeDefault,
		})
		x.lack(export.Loss{
			Setting: "seccomp.addressFamilies", Value: familiesText(s.AddressFamilies), Severity: export.Weaker,
			Lost: "the runtime's own filter lets every address family through but AF_VSOCK", Do: "leave out --seccomp " + RuntimeDefault,
		})
	case FilterLocalhost:
		x.lack(export.Loss{
			Setting: "seccomp.allow", Value: x.filterPath(), Severity: export.Different,
			Lost: "the filter must be on each node, or the pod does not start", Do: "write the export to a directory, and copy seccomp/" + x.filterName() +
				".json to /var/lib/kubelet/seccomp/safe-run/ on each node; or use --seccomp operator",
		})
	default:
		x.lack(export.Loss{
			Setting: "seccomp.allow", Value: x.filterPath(), Severity: export.Different,
			Lost: "the security-profiles-operator must be there, or the pod does not start; its filters have no default errno: " +
				"what a condition on arguments refuses fails with EPERM where a launch says ENOSYS",
			Do: "install it (0.9 or later), and apply operator/seccompprofile.yaml",
		})
	}
	for _, v := range []struct {
		name     string
		reaction *profiles.Reaction
	}{{"high", s.OnViolation.High}, {"medium", s.OnViolation.Medium}, {"low", s.OnViolation.Low}} {
		if v.reaction != nil {
			x.lack(export.Loss{
				Setting: "seccomp.onViolation." + v.name, Value: string(*v.reaction), Severity: export.Missing,
				Lost: "a refused call fails, and nothing follows", Do: "watch the nodes' audit logs, or use a runtime class that reacts",
			})
		}
	}
}

func familiesText(all []profiles.Family) string {
	var names []string
	for _, f := range all {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func (x *exporter) loseImage() {
	for _, s := range x.p.Image.Signatures {
		at := "image.signatures[" + s.String() + "]"
		lost, severity := "nothing in a cluster checks signatures by itself; the policy in kyverno/signatures.yaml does, where Kyverno runs", export.Different
		do := "install Kyverno, and apply it"
		for _, key := range s.Keys {
			if x.o.Keys[key] == "" {
				lost, severity = "the key "+key+" cannot be read here, so no policy checks this signature", export.Weaker
				do = "make the file readable, and export again"
			}
		}
		if len(s.Keyless) > 0 {
			lost, severity = "Kyverno trusts sigstore's public roots, not "+s.TrustRoot, export.Weaker
			do = "configure a TUF root of your own in Kyverno"
		}
		x.lack(export.Loss{Setting: at, Severity: severity, Lost: lost, Do: do})
	}
	v := x.p.Image.Vulnerabilities
	if v.Block != nil {
		x.lack(export.Loss{
			Setting: "image.vulnerabilities", Value: gateText(v), Severity: export.Weaker,
			Lost: "an image with known weaknesses runs: nothing here looks at findings", Do: "run safe-run image verify in the pipeline, before what it lets pass is deployed",
		})
	}
}

// gateText is all that a gate says.
func gateText(v profiles.Vulnerabilities) string {
	text := "block: " + string(or(v.Block, ""))
	if v.FixableOnly != nil {
		text += fmt.Sprintf(", fixableOnly: %t", *v.FixableOnly)
	}
	if v.MaxAge != nil {
		text += ", maxAge: " + v.MaxAge.String()
	}
	if v.Sources != nil {
		text += fmt.Sprintf(", sources: %v", v.Sources)
	}
	if v.Report != nil {
		text += ", report: " + *v.Report
	}
	if len(v.VEX) > 0 {
		text += ", vex: " + strings.Join(v.VEX, " ")
	}
	return text
}
