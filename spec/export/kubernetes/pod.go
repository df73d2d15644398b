package kubernetes

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/safe-run/safe-run/profiles"
)

// nameLabel tells an application's objects from others (the recommended labels of
// Kubernetes).
const nameLabel = "app.kubernetes.io/name"

func (x *exporter) labels() object { return object{}.with(nameLabel, x.in.Name) }

// metadata of an object of the application.
func (x *exporter) metadata() object {
	return object{}.with("name", x.in.Name).with("namespace", x.o.Namespace).
		with("labels", x.labels().with("app.kubernetes.io/managed-by", "safe-run"))
}

// podSpec is the pod, the same in every kind of workload.
func (x *exporter) podSpec() object {
	spec := object{}
	if x.o.RuntimeClass != "" {
		spec = spec.with("runtimeClassName", x.o.RuntimeClass, "--runtime-class")
	}
	spec = spec.
		with("automountServiceAccountToken", false, "the program has no business with the API").
		with("enableServiceLinks", false, "no list of the namespace's services in the environment")
	if !x.o.HostUsers {
		spec = spec.with("hostUsers", false, "a user namespace, as always")
	}
	if or(x.p.Process.Init, false) {
		spec = spec.with("shareProcessNamespace", true, x.from("process.init")+": the pause process reaps")
	}
	if x.o.Kind == "Job" || x.o.Kind == "CronJob" {
		spec = spec.with("restartPolicy", "Never")
	}
	grace := or(x.p.Process.StopTimeout, profiles.Duration(10*time.Second))
	spec = spec.with("terminationGracePeriodSeconds", seconds(grace), x.from("process.stopTimeout"))
	if x.p.Process.StopSignal != nil {
		spec = spec.with("os", object{}.with("name", "linux"), "asked for beside a stop signal")
	}
	spec = spec.with("securityContext", x.podSecurity()).with("containers", list{x.container()})
	if v := x.volumes(); v != nil {
		spec = spec.with("volumes", v)
	}
	return spec
}

// container is the only one.
func (x *exporter) container() object {
	c := object{}.with("name", x.in.Name).with("image", x.pinned())
	if x.in.Command != nil {
		c = c.with("command", escaped(x.in.Command))
	}
	if x.in.Args != nil {
		c = c.with("args", escaped(x.in.Args))
	}
	if env := x.environment(); env != nil {
		c = c.with("env", env)
	}
	if ports := x.containerPorts(); ports != nil {
		c = c.with("ports", ports)
	}
	c = c.with("resources", x.resources()).with("securityContext", x.containerSecurity())
	if s := x.p.Process.StopSignal; s != nil {
		c = c.with("lifecycle", object{}.with("stopSignal", string(*s), x.from("process.stopSignal")))
	}
	for _, m := range x.probes() {
		c = append(c, m)
	}
	if m := x.mounts(); m != nil {
		c = c.with("volumeMounts", m)
	}
	return c
}

// escaped keeps kubelet from expanding $(NAME) in what was typed.
func escaped(words []string) list {
	out := list{}
	for _, w := range words {
		out = append(out, strings.ReplaceAll(w, "$(", "$$("))
	}
	return out
}

func (x *exporter) environment() list {
	var out list
	for _, text := range x.in.Env {
		name, value, _ := strings.Cut(text, "=")
		out = append(out, object{}.with("name", name).with("value", strings.ReplaceAll(value, "$(", "$$(")))
	}
	return out
}

func (x *exporter) containerPorts() list {
	var out list
	for _, p := range x.in.Publish {
		out = append(out, object{}.with("name", portName(p)).
			with("containerPort", int64(p.ContainerPort)).with("protocol", protocolOf(p)))
	}
	return out
}

// resources has requests that equal the limits: only then does the node give the
// pod no swap (LimitedSwap), and only then is the memory there when it is needed.
func (x *exporter) resources() object {
	r := x.p.Resources
	limits, requests := object{}, object{}
	add := func(name, value, note string) {
		limits = limits.with(name, value, note)
		requests = requests.with(name, value)
	}
	if r.CPUs != nil {
		add("cpu", cpuText(*r.CPUs), x.from("resources.cpus"))
	}
	if r.Memory != nil {
		add("memory", quantity(*r.Memory), x.from("resources.memory"))
	}
	add("ephemeral-storage", quantity(x.disk()), x.from("rootfs.size")+", the log, and what lies on disk")
	return object{}.with("limits", limits).with("requests", requests, "equal to the limits: the pod is guaranteed, and has no swap")
}

// disk is all that the pod may write to the node's disk.
func (x *exporter) disk() profiles.Bytes {
	sum := or(x.p.Rootfs.Size, 256<<20)
	for _, p := range x.writable {
		if !p.memory && !p.claim && sum <= math.MaxInt64-p.size {
			sum += p.size
		}
	}
	return sum
}

func cpuText(m profiles.MilliCPU) string {
	if m%1000 == 0 {
		return strconv.FormatInt(int64(m)/1000, 10)
	}
	return strconv.FormatInt(int64(m), 10) + "m"
}

// seconds rounds up: Kubernetes knows no fractions.
func seconds(d profiles.Duration) int64 {
	return int64(math.Ceil(time.Duration(d).Seconds()))
}
