// Package kube reads Kubernetes manifests into the facts of their containers, and
// says which of the Pod Security Standards each pod satisfies.
package kube

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	strictjson "sigs.k8s.io/json"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/located"
	"github.com/safe-run/safe-run/spec/problem"
)

// Pod is one pod, or the template of one.
type Pod struct {
	// Name is "Deployment/web".
	Name string
	Meta meta.ObjectMeta
	Spec core.PodSpec

	source string
	doc    located.Document
	// prefix leads to the pod: "", "spec.template", "items[2].spec.template".
	prefix string
}

// Manifest is what a file holds.
type Manifest struct {
	Pods     []Pod
	Warnings []string
}

const (
	maxPods     = 1000
	maxWarnings = 50
)

// Read reads a manifest: several documents, lists, and everything that has a
// template of pods. Fields that there are not are warnings: a misspelt restriction
// does not restrict.
func Read(source string, data []byte) (Manifest, error) {
	docs, err := located.YAML(data)
	if err != nil {
		return Manifest{}, problem.New(problem.HintOf(err), "%s: %w", source, err)
	}
	r := reader{source: source}
	for _, doc := range docs {
		r.doc = doc
		if err := r.object(doc.JSON, "", 0); err != nil {
			return Manifest{}, err
		}
	}
	if len(r.out.Pods) == 0 {
		return Manifest{}, problem.New("name a manifest with a Pod, a Deployment, a Job or the like", "%s has no pods", source)
	}
	return r.out, nil
}

type reader struct {
	source string
	doc    located.Document
	out    Manifest
}

// kinds lead from an object to its pod, and say what it is decoded as.
var kinds = map[string]struct {
	to    string
	fresh func() (object any, template func() *core.PodTemplateSpec)
}{
	"v1 Pod": {"", func() (any, func() *core.PodTemplateSpec) {
		p := &core.Pod{}
		return p, func() *core.PodTemplateSpec { return &core.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec} }
	}},
	"v1 PodTemplate": {"template", func() (any, func() *core.PodTemplateSpec) {
		p := &core.PodTemplate{}
		return p, func() *core.PodTemplateSpec { return &p.Template }
	}},
	"v1 ReplicationController": {"spec.template", func() (any, func() *core.PodTemplateSpec) {
		p := &core.ReplicationController{}
		return p, func() *core.PodTemplateSpec { return p.Spec.Template }
	}},
	"apps/v1 Deployment": {"spec.template", func() (any, func() *core.PodTemplateSpec) {
		p := &apps.Deployment{}
		return p, func() *core.PodTemplateSpec { return &p.Spec.Template }
	}},
	"apps/v1 ReplicaSet": {"spec.template", func() (any, func() *core.PodTemplateSpec) {
		p := &apps.ReplicaSet{}
		return p, func() *core.PodTemplateSpec { return &p.Spec.Template }
	}},
	"apps/v1 StatefulSet": {"spec.template", func() (any, func() *core.PodTemplateSpec) {
		p := &apps.StatefulSet{}
		return p, func() *core.PodTemplateSpec { return &p.Spec.Template }
	}},
	"apps/v1 DaemonSet": {"spec.template", func() (any, func() *core.PodTemplateSpec) {
		p := &apps.DaemonSet{}
		return p, func() *core.PodTemplateSpec { return &p.Spec.Template }
	}},
	"batch/v1 Job": {"spec.template", func() (any, func() *core.PodTemplateSpec) {
		p := &batch.Job{}
		return p, func() *core.PodTemplateSpec { return &p.Spec.Template }
	}},
	"batch/v1 CronJob": {"spec.jobTemplate.spec.template", func() (any, func() *core.PodTemplateSpec) {
		p := &batch.CronJob{}
		return p, func() *core.PodTemplateSpec { return &p.Spec.JobTemplate.Spec.Template }
	}},
}

// object reads one object at a path of the document.
func (r *reader) object(data []byte, path string, depth int) error {
	var head struct {
		APIVersion string                              `json:"apiVersion"`
		Kind       string                              `json:"kind"`
		Metadata   struct{ Name, GenerateName string } `json:"metadata"`
		Items      []json.RawMessage                   `json:"items"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return r.bad(path, "it is no Kubernetes object: %s", err)
	}
	if head.Kind == "" || head.APIVersion == "" {
		return r.bad(path, "it has no apiVersion and kind")
	}
	if strings.HasSuffix(head.Kind, "List") {
		if depth > 3 {
			return r.bad(path, "lists are in lists")
		}
		for i, item := range head.Items {
			if err := r.object(item, fmt.Sprintf("%s[%d]", join(path, "items"), i), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	kind, known := kinds[head.APIVersion+" "+head.Kind]
	if !known {
		r.warn(path, "%s %s was not looked at", head.APIVersion, head.Kind)
		return nil
	}
	into, template := kind.fresh()
	strict, err := strictjson.UnmarshalStrict(data, into)
	if err != nil {
		return r.bad(path, "%s: %s", head.Kind, err)
	}
	for _, e := range strict {
		r.strict(path, e)
	}
	t := template()
	if t == nil {
		return r.bad(path, "%s has no template", head.Kind)
	}
	if len(r.out.Pods) == maxPods {
		return problem.New("split it", "%s has more than %d pods", r.source, maxPods)
	}
	name := head.Metadata.Name
	if name == "" {
		name = head.Metadata.GenerateName + "(unnamed)"
	}
	pod := Pod{Name: head.Kind + "/" + name, Meta: t.ObjectMeta, Spec: t.Spec, source: r.source, doc: r.doc, prefix: join(path, kind.to)}
	defaulted(&pod.Spec)
	r.out.Pods = append(r.out.Pods, pod)
	return nil
}

// defaulted does what the API server does before anybody judges the pod: a volume
// without a source is an emptyDir.
func defaulted(spec *core.PodSpec) {
	for i := range spec.Volumes {
		if spec.Volumes[i].VolumeSource == (core.VolumeSource{}) {
			spec.Volumes[i].EmptyDir = &core.EmptyDirVolumeSource{}
		}
	}
}

func join(path, more string) string {
	if path == "" || more == "" {
		return path + more
	}
	return path + "." + more
}

var quoted = regexp.MustCompile(`^(unknown|duplicate) field "(.*)"$`)

// strict tells of a field that there is not, with its place.
func (r *reader) strict(path string, err error) {
	m := quoted.FindStringSubmatch(err.Error())
	if m == nil {
		r.warn(path, "%s", err)
		return
	}
	r.warn(join(path, m[2]), "%s field %q, which says nothing", m[1], m[2])
}

func (r *reader) warn(path, format string, args ...any) {
	if len(r.out.Warnings) < maxWarnings {
		r.out.Warnings = append(r.out.Warnings, r.place(path).String()+": "+fmt.Sprintf(format, args...))
	}
}

func (r *reader) place(path string) audit.Place {
	at := r.doc.Where(path)
	return audit.Place{Source: r.source, Line: at.Line, Column: at.Column}
}

func (r *reader) bad(path, format string, args ...any) error {
	return problem.New("see https://kubernetes.io/docs/reference/kubernetes-api", "%s: %w", r.place(path), fmt.Errorf(format, args...))
}

// at is where something of the pod is said: "spec.hostPID".
func (p Pod) at(path string) audit.Place {
	path = join(p.prefix, path)
	where := p.doc.Where(path)
	return audit.Place{Source: p.source, Line: where.Line, Column: where.Column, Path: path}
}
