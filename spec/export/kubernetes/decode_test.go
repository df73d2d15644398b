package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	admission "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	disruption "k8s.io/api/policy/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
)

// known are the published types of what an export makes.
var known = map[string]func() any{
	"v1 Namespace":                       func() any { return new(core.Namespace) },
	"v1 Service":                         func() any { return new(core.Service) },
	"v1 Pod":                             func() any { return new(core.Pod) },
	"apps/v1 Deployment":                 func() any { return new(apps.Deployment) },
	"apps/v1 StatefulSet":                func() any { return new(apps.StatefulSet) },
	"apps/v1 DaemonSet":                  func() any { return new(apps.DaemonSet) },
	"batch/v1 Job":                       func() any { return new(batch.Job) },
	"batch/v1 CronJob":                   func() any { return new(batch.CronJob) },
	"networking.k8s.io/v1 NetworkPolicy": func() any { return new(networking.NetworkPolicy) },
	"policy/v1 PodDisruptionBudget":      func() any { return new(disruption.PodDisruptionBudget) },
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy":        func() any { return new(admission.ValidatingAdmissionPolicy) },
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding": func() any { return new(admission.ValidatingAdmissionPolicyBinding) },
}

// custom are kinds that no published Go type is linked for.
var custom = []string{
	"security-profiles-operator.x-k8s.io/v1beta1 SeccompProfile", "kyverno.io/v1 ClusterPolicy",
	"policies.kyverno.io/v1 ImageValidatingPolicy", "kustomize.config.k8s.io/v1beta1 Kustomization",
}

// decode reads a manifest as kubectl does (YAML 1.1), and refuses what its type
// does not have.
func decode(t *testing.T, name string, data []byte) any {
	t.Helper()
	var head struct{ APIVersion, Kind string }
	if err := sigsyaml.Unmarshal(data, &head); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, data)
	}
	kind := head.APIVersion + " " + head.Kind
	make, ok := known[kind]
	if !ok {
		for _, c := range custom {
			if c == kind {
				return nil
			}
		}
		t.Fatalf("%s: %s is no known kind", name, kind)
	}
	obj := make()
	if err := sigsyaml.UnmarshalStrict(data, obj, func(d *json.Decoder) *json.Decoder { d.DisallowUnknownFields(); return d }); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, data)
	}
	return obj
}

// template is the pod of a workload; false for what has none.
func podOf(obj any) (core.PodTemplateSpec, bool) {
	switch o := obj.(type) {
	case *core.Pod:
		return core.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}, true
	case *apps.Deployment:
		return o.Spec.Template, true
	case *apps.StatefulSet:
		return o.Spec.Template, true
	case *apps.DaemonSet:
		return o.Spec.Template, true
	case *batch.Job:
		return o.Spec.Template, true
	case *batch.CronJob:
		return o.Spec.JobTemplate.Spec.Template, true
	}
	return core.PodTemplateSpec{}, false
}

// resolved is a built-in profile.
func resolved(t testing.TB, name string) profiles.Profile {
	t.Helper()
	p, err := profiles.Resolve(name, builtin.Finder{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// inputOf is an application with a profile, and a port where it may have one.
func inputOf(p profiles.Profile) export.Input {
	in := export.Input{
		Profile: p, Name: "shop", Args: []string{"--flag", "$(HOME)"}, Env: []string{"A=1", "B=on", "C=$(A)\nline"},
		Image: export.Image{Reference: "ghcr.io/acme/shop:1.2", Digest: someDigest, Config: true, User: "1000:1000", Volumes: []string{"/data"}},
	}
	if p.Network.Mode != nil && *p.Network.Mode != profiles.NetworkNone {
		in.Publish = []export.Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, {ContainerPort: 53, Protocol: "udp"}}
	}
	return in
}

// optionsOf is a kind with what it needs.
func optionsOf(kind string) Options {
	o := Options{Kind: kind, RuntimeClass: "gvisor"}
	if kind == "CronJob" {
		o.Schedule = "0 3 * * *"
	}
	return o
}

func exported(t testing.TB, in export.Input, o Options) export.Result {
	t.Helper()
	result, err := Export(in, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// everyPod calls each with the pod of every built-in profile and kind.
func everyPod(t *testing.T, each func(t *testing.T, pod core.PodTemplateSpec)) {
	for _, profile := range builtin.Names() {
		for _, kind := range Kinds {
			t.Run(profile+"/"+kind, func(t *testing.T) {
				found := 0
				for _, f := range exported(t, inputOf(resolved(t, profile)), optionsOf(kind)).Files {
					if !strings.HasSuffix(f.Path, ".yaml") {
						continue
					}
					if pod, ok := podOf(decode(t, f.Path, f.Data)); ok {
						found++
						each(t, pod)
					}
				}
				if found != 1 {
					t.Errorf("%d workloads", found)
				}
			})
		}
	}
}

// documentsOf takes a stream apart.
func documentsOf(stream []byte) [][]byte {
	return bytes.Split(stream, []byte("\n---\n"))
}

// TestStream: the parts of a stream are those of the files, in an order in which
// a cluster takes them.
func TestStream(t *testing.T) {
	in := inputOf(resolved(t, "web"))
	in.Replicas = 3
	for _, format := range []string{"yaml", "json"} {
		data, err := Stream(exported(t, in, Options{Format: format}).Files)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for i, doc := range documentsOf(data) {
			kinds = append(kinds, strings.TrimPrefix(fmt.Sprintf("%T", decode(t, fmt.Sprint(format, i), doc)), "*v1."))
		}
		if got := strings.Join(kinds, " "); got != "Namespace NetworkPolicy Service Deployment PodDisruptionBudget" {
			t.Errorf("%s: %s", format, got)
		}
	}
}
