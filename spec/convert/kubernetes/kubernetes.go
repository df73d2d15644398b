// Package kubernetes converts the containers of Kubernetes manifests to profiles.
package kubernetes

import (
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/convert/yamldoc"
)

// Files reads a filter by the path that localhostProfile names, below the
// kubelet's own directory.
type Files func(name string) ([]byte, error)

// templates are the kinds that run pods, with the way to the pod.
var templates = map[string][]string{
	"Pod": {"spec"}, "Deployment": {"spec", "template", "spec"}, "ReplicaSet": {"spec", "template", "spec"},
	"StatefulSet": {"spec", "template", "spec"}, "DaemonSet": {"spec", "template", "spec"}, "Job": {"spec", "template", "spec"},
	"ReplicationController": {"spec", "template", "spec"}, "CronJob": {"spec", "jobTemplate", "spec", "template", "spec"},
	"PodTemplate": {"template", "spec"},
}

// groups are those that the kinds above belong to. A kind of the same name in
// another group is somebody's own.
var groups = []string{"v1", "apps/v1", "batch/v1", "extensions/v1beta1", "apps/v1beta1", "apps/v1beta2", "batch/v1beta1"}

// Convert reads manifests. What runs no pod is left out; a file without a pod is
// an error.
func Convert(name string, data []byte, files Files) ([]convert.Result, error) {
	docs, err := yamldoc.Parse(name, data)
	if err != nil {
		return nil, err
	}
	var out []convert.Result
	var skipped []string
	for _, doc := range docs {
		all := []yamldoc.Value{doc}
		if kind, _ := doc.Get("kind").Text(); kind == "List" {
			all = nil
			if err := doc.Get("items").List(func(v yamldoc.Value) error { all = append(all, v); return nil }); err != nil {
				return nil, err
			}
		}
		for _, object := range all {
			results, kind, err := objectOf(object, files)
			if err != nil {
				return nil, err
			}
			if results == nil {
				skipped = append(skipped, kind)
			}
			out = append(out, results...)
		}
	}
	if len(out) == 0 {
		return nil, docs[0].Fail("name a manifest of a Pod, Deployment, StatefulSet, DaemonSet, Job or CronJob", "nothing in it runs a pod: %.100s", strings.Join(skipped, ", "))
	}
	return out, nil
}

func objectOf(v yamldoc.Value, files Files) ([]convert.Result, string, error) {
	var version, kind, name string
	read := func(to *string) func(yamldoc.Value) error {
		return func(v yamldoc.Value) (err error) { *to, err = v.Text(); return err }
	}
	if err := v.Map(yamldoc.Fields{"apiVersion": read(&version), "kind": read(&kind)}, func(yamldoc.Value, yamldoc.Value) (bool, error) { return true, nil }); err != nil {
		return nil, "", err
	}
	if version == "" || kind == "" {
		return nil, "", v.Fail("name a manifest of Kubernetes", "it does not say its apiVersion and kind")
	}
	way, known := templates[kind]
	if !known || !slices.Contains(groups, version) {
		return nil, version + " " + kind, nil
	}
	name, err := v.Get("metadata").Get("name").Text()
	if err != nil {
		return nil, "", err
	}
	spec := v
	for _, key := range way {
		if next := spec.Get(key); !next.Null() {
			spec = next
			continue
		}
		return nil, "", spec.Fail("write it", "%s %.60s has no %s", kind, name, strings.Join(way, "."))
	}
	p := &pod{name: name, files: files}
	if err := spec.Map(p.fields(), nil); err != nil {
		return nil, "", err
	}
	results, err := p.convert(spec)
	return results, kind, err
}

// pod is what a pod says for all of its containers.
type pod struct {
	name       string
	files      Files
	containers []yamldoc.Value
	security   yamldoc.Value
	volumes    map[string]yamldoc.Value
	told       []convert.Finding
	grace      yamldoc.Value
	init       bool
}

// without are fields of a pod that say nothing about what a container may do.
var without = []string{
	"activeDeadlineSeconds", "affinity", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostAliases", "hostname", "imagePullSecrets", "nodeName",
	"nodeSelector", "os", "overhead", "preemptionPolicy", "priority", "priorityClassName", "readinessGates", "resourceClaims", "resources",
	"restartPolicy", "runtimeClassName", "schedulerName", "schedulingGates", "setHostnameAsFQDN", "subdomain", "tolerations",
	"topologySpreadConstraints", "hostnameOverride", "workloadRef",
}

func (p *pod) fields() yamldoc.Fields {
	each := func(v yamldoc.Value) error {
		return v.List(func(c yamldoc.Value) error { p.containers = append(p.containers, c); return nil })
	}
	f := yamldoc.Fields{
		"containers": each, "initContainers": each, "ephemeralContainers": each,
		"securityContext": func(v yamldoc.Value) error { p.security = v; return nil },
		"volumes": func(v yamldoc.Value) error {
			p.volumes = map[string]yamldoc.Value{}
			return v.List(func(volume yamldoc.Value) error {
				name, err := volume.Get("name").Text()
				p.volumes[name] = volume
				return err
			})
		},
		"terminationGracePeriodSeconds": func(v yamldoc.Value) error { p.grace = v; return nil },
		"hostUsers":                     nil, "serviceAccount": nil,
		"automountServiceAccountToken": nil,
		"serviceAccountName":           p.tell(convert.Missing, "serviceAccountName", "there is no service account, and no token of one"),
		"shareProcessNamespace": func(v yamldoc.Value) (err error) {
			// Then the pause container is the first process, and reaps.
			p.init, err = v.Bool()
			return err
		},
	}
	for _, key := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		f[key] = func(v yamldoc.Value) error {
			on, err := v.Bool()
			if on {
				return p.tell(convert.Tightened, key, "it shared the host's; here a container has one of its own")(v)
			}
			return err
		}
	}
	for _, key := range without {
		f[key] = nil
	}
	return f
}

func (p *pod) tell(kind convert.Kind, key, what string) func(yamldoc.Value) error {
	return func(v yamldoc.Value) error {
		value, _ := v.Text()
		p.told = append(p.told, convert.Finding{Kind: kind, Setting: key, Value: value, Place: v.Place(), What: what})
		return nil
	}
}

func (p *pod) convert(spec yamldoc.Value) ([]convert.Result, error) {
	if len(p.containers) == 0 {
		return nil, spec.Fail("write containers: [...]", "the pod has no containers")
	}
	var out []convert.Result
	for _, v := range p.containers {
		c := &container{pod: p, ask: convert.Ask{Format: "kubernetes", Told: slices.Clone(p.told)}}
		if p.init {
			c.ask.Init = &p.init
		}
		if err := c.read(v); err != nil {
			return nil, err
		}
		r, err := convert.Convert(c.ask)
		if err != nil {
			return nil, v.Fail("correct it", "%w", err)
		}
		out = append(out, r)
	}
	return out, nil
}
