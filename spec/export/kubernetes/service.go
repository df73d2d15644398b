package kubernetes

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
)

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

func protocolOf(p export.Port) string { return strings.ToUpper(p.Protocol) }

func portText(p export.Port) string { return itoa(p.ContainerPort) + "/" + p.Protocol }

// portName is unique in a pod: at most 15 characters with a letter.
func portName(p export.Port) string { return p.Protocol + "-" + itoa(p.ContainerPort) }

// servicePort is where the others of the cluster find it.
func servicePort(p export.Port) uint16 {
	if p.HostPort != 0 {
		return p.HostPort
	}
	return p.ContainerPort
}

// service gives the published ports a name in the cluster; nil where nothing is
// to be reached. A StatefulSet has one in any case: its pods are named by it.
func (x *exporter) service() object {
	stateful := x.o.Kind == "StatefulSet"
	if len(x.in.Publish) == 0 && !stateful || x.o.Kind == "Job" || x.o.Kind == "CronJob" {
		return nil
	}
	spec := object{}
	if stateful {
		spec = spec.with("clusterIP", "None", "a name for each pod")
	} else {
		spec = spec.with("type", "ClusterIP", "inside the cluster; what comes from outside needs an Ingress or a Gateway")
	}
	spec = spec.with("selector", x.labels())
	var ports list
	for _, p := range x.in.Publish {
		ports = append(ports, object{}.with("name", portName(p)).with("port", int64(servicePort(p)), "-p").
			with("targetPort", portName(p)).with("protocol", protocolOf(p)))
	}
	if ports != nil {
		spec = spec.with("ports", ports)
	}
	return head("v1", "Service").with("metadata", x.metadata()).with("spec", spec)
}

func head(version, kind string) object {
	return object{}.with("apiVersion", version).with("kind", kind)
}

// losePorts says where a published port is another thing.
func (x *exporter) losePorts() {
	for _, p := range x.in.Publish {
		addr, err := netip.ParseAddr(p.HostIP)
		switch {
		case err != nil || addr.IsUnspecified():
		case addr.IsLoopback():
			x.lack(export.Loss{
				Setting: "publish " + portText(p), Value: p.HostIP, Severity: export.Different,
				Lost: "a Service has no address of a host: all pods of the namespace reach it, and no others",
				Do:   "narrow ingress.from in the NetworkPolicy to those who use it",
			})
		default:
			x.lack(export.Loss{
				Setting: "publish " + portText(p), Value: p.HostIP, Severity: export.Weaker,
				Lost: "a Service has no address of a host: whatever reaches the pods reaches it",
				Do:   "narrow ingress.from in the NetworkPolicy to those who use it",
			})
		}
	}
	if len(x.in.Publish) > 0 && (x.o.Kind == "Job" || x.o.Kind == "CronJob") {
		x.lack(export.Loss{
			Setting: "publish", Severity: export.Missing,
			Lost: "a " + x.o.Kind + " has no Service; the NetworkPolicy lets its ports be reached at the pod's own address",
			Do:   "choose another --kind",
		})
	}
}
