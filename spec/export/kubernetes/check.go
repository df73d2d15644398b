package kubernetes

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

var (
	// label is RFC 1035's, which a Service's name is.
	label = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	// subdomain is RFC 1123's, as of a RuntimeClass.
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)
	// loaded is the name of a profile in the kernel.
	loaded = regexp.MustCompile(`^[A-Za-z0-9_./-]{1,255}$`)
	// cron has five fields, or is a word such as @daily.
	cron = regexp.MustCompile(`^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[0-9A-Za-z*/,?-]+( [0-9A-Za-z*/,?-]+){4})$`)
)

// mostName leaves room for what Kubernetes puts behind the name of a CronJob.
const mostName = 52

// check refuses what no cluster takes.
func (x *exporter) check() error {
	in, o := x.in, x.o
	const dns = "use lower-case letters, digits and -, and begin with a letter"
	many := in.Replicas != 1
	switch {
	case !label.MatchString(in.Name):
		return problem.New(dns, "the name %q is no DNS label", clip(in.Name))
	case o.Kind == "CronJob" && len(in.Name) > mostName:
		return problem.New("choose a shorter --name", "the name %q has more than %d characters, the most for a CronJob", clip(in.Name), mostName)
	case !label.MatchString(o.Namespace):
		return problem.New(dns, "the namespace %q is no DNS label", clip(o.Namespace))
	case o.RuntimeClass != "" && (!subdomain.MatchString(o.RuntimeClass) || len(o.RuntimeClass) > 253):
		return problem.New("kubectl get runtimeclass", "the runtime class %q is no name of one", clip(o.RuntimeClass))
	case !loaded.MatchString(o.AppArmor):
		return problem.New("write runtime-default, none, or the name of a profile on the nodes", "the AppArmor profile %q is no name of one", clip(o.AppArmor))
	case many && o.Kind != "Deployment" && o.Kind != "StatefulSet":
		return problem.New("leave out --replicas, or write --kind Deployment", "a %s has no replicas", o.Kind)
	case in.Replicas < 0:
		return problem.New("write --replicas 1, or more", "%d replicas cannot run", in.Replicas)
	case o.Kind == "CronJob" && !cron.MatchString(o.Schedule):
		return problem.New(`write --schedule "0 3 * * *"`, "a CronJob needs a schedule, and %q is none", clip(o.Schedule))
	case o.Kind != "CronJob" && o.Schedule != "":
		return problem.New("write --kind CronJob", "a %s has no schedule", o.Kind)
	}
	return x.checkPorts()
}

func (x *exporter) checkPorts() error {
	inside, outside := map[string]bool{}, map[string]bool{}
	for _, p := range x.in.Publish {
		key := protocolOf(p) + itoa(p.ContainerPort)
		front := protocolOf(p) + itoa(servicePort(p))
		switch {
		case p.ContainerPort == 0 || p.Protocol != "tcp" && p.Protocol != "udp":
			return problem.New("write -p [PORT:]PORT[/udp]", "port %d/%s cannot be published", p.ContainerPort, clip(p.Protocol))
		case inside[key] || outside[front]:
			return problem.New("leave one of them out", "port %s is published twice", portText(p))
		}
		if p.HostIP != "" {
			if _, err := netip.ParseAddr(p.HostIP); err != nil {
				return problem.New("write -p 8080:80", "%q is no address", clip(p.HostIP))
			}
		}
		inside[key], outside[front] = true, true
	}
	for _, v := range x.o.Volumes {
		if !path.IsAbs(v.Path) || path.Clean(v.Path) != v.Path || v.Path == "/" || strings.ContainsAny(v.Path, ":\x00") {
			return problem.New("write --volume /var/lib/app=1GiB", "the volume %q is no path inside the container", clip(v.Path))
		}
	}
	if x.p.Network.Mode == nil || *x.p.Network.Mode == profiles.NetworkNone {
		if len(x.in.Publish) > 0 {
			return x.refuse("network.mode", "use a profile with network.mode: bridge, such as web",
				"the profile has no network, and port %s is to be published", portText(x.in.Publish[0]))
		}
	}
	return nil
}

// Capabilities that the Pod Security Standards let a container add.
var (
	restrictedCapabilities = []string{"NET_BIND_SERVICE"}
	baselineCapabilities   = []string{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
		"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
)

// level refuses a profile that the namespace's Pod Security Standard refuses.
func (x *exporter) level() error {
	if x.rootAllowed() && x.o.PodSecurity == Restricted {
		return x.refuse("process.root.allow", "write --pod-security baseline, or take process.root out of the profile",
			"the profile allows root, which Pod Security %s refuses", Restricted)
	}
	allowed, next := restrictedCapabilities, "baseline"
	switch x.o.PodSecurity {
	case "privileged":
		return nil
	case "baseline":
		allowed, next = baselineCapabilities, "privileged"
	}
	for _, c := range x.p.Process.Capabilities {
		if !slices.Contains(allowed, c.Name) {
			wider := next
			if !slices.Contains(baselineCapabilities, c.Name) {
				wider = "privileged"
			}
			return x.refuse("process.capabilities["+c.Name+"]", "write --pod-security "+wider+", or take the capability out of the profile",
				"the profile gives the capability %s, which Pod Security %s refuses", c.Name, x.o.PodSecurity)
		}
	}
	return nil
}

func (x *exporter) rootAllowed() bool {
	root := x.p.Process.Root
	return root != nil && or(root.Allow, false)
}
