package kubernetes

import (
	"bytes"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
)

// Parts are what an export is made of.
var Parts = []string{"namespace", "networkpolicy", "service", "workload", "disruption", "seccomp", "operator", "admission", "kyverno"}

// document is one object with its place, without an extension.
type document struct {
	path string
	obj  object
}

// documents are the objects in the order in which a cluster wants them.
func (x *exporter) documents() ([]document, error) {
	var out []document
	add := func(part, path string, obj object) {
		if obj != nil && x.wants(part) {
			out = append(out, document{path, obj})
		}
	}
	policy, err := x.networkPolicy()
	if err != nil {
		return nil, err
	}
	add("namespace", "namespace", x.namespace())
	// Before the pods, so that there is no moment without it.
	add("networkpolicy", "networkpolicy", policy)
	add("service", "service", x.service())
	add("workload", "workload", x.workload())
	add("disruption", "poddisruptionbudget", x.disruption())
	add("admission", "admission/policy", x.admissionPolicy())
	add("admission", "admission/binding", x.admissionBinding())
	add("kyverno", "kyverno/policy", x.kyvernoPolicy())
	add("kyverno", "kyverno/signatures", x.signaturePolicy())
	return out, nil
}

// files writes the documents in the form that is asked for, and what is none.
func (x *exporter) files() ([]export.File, error) {
	docs, err := x.documents()
	if err != nil {
		return nil, err
	}
	filter, err := x.filter()
	if err != nil {
		return nil, err
	}
	var node []export.File // what is put on nodes, and into no cluster
	if x.o.Seccomp != RuntimeDefault {
		if x.wants("operator") {
			docs = append(docs, document{"operator/seccompprofile", x.operatorProfile(filter)})
		}
		if x.wants("seccomp") {
			data, err := filterFile(filter)
			if err != nil {
				return nil, err
			}
			node = append(node, export.File{Path: "seccomp/" + x.filterName() + ".json", Data: data})
		}
	}
	write := map[string]func([]document) ([]export.File, error){
		"yaml": yamlFiles, "json": jsonFiles, "kustomize": x.kustomize, "helm": x.helm,
	}[x.o.Format]
	out, err := write(docs)
	return append(out, node...), err
}

func yamlFiles(docs []document) ([]export.File, error) {
	return written(docs, ".yaml", object.toYAML)
}

func jsonFiles(docs []document) ([]export.File, error) {
	return written(docs, ".json", object.toJSON)
}

func written(docs []document, extension string, write func(object) ([]byte, error)) ([]export.File, error) {
	var out []export.File
	for _, d := range docs {
		data, err := write(d.obj)
		if err != nil {
			return nil, err
		}
		out = append(out, export.File{Path: d.path + extension, Data: data})
	}
	return out, nil
}

// everywhere says whether every cluster understands a file and a namespace's owner may
// apply it.
func everywhere(path string) bool { return !strings.Contains(path, "/") }

// kustomize has the manifests and a list of them: a base to lay overlays on. What
// not every cluster understands is there and not in the list.
func (x *exporter) kustomize(docs []document) ([]export.File, error) {
	out, err := yamlFiles(docs)
	if err != nil {
		return nil, err
	}
	resources := list{}
	for _, f := range out {
		if everywhere(f.Path) {
			resources = append(resources, f.Path)
		}
	}
	for _, f := range out {
		if strings.HasPrefix(f.Path, "admission/") {
			resources = append(resources, noted{f.Path, "needs the right to change the cluster's policies"})
		}
	}
	k := head("kustomize.config.k8s.io/v1beta1", "Kustomization").with("resources", resources)
	repository, tail := cutName(x.pinned())
	image := object{}.with("name", repository)
	// Both where both are known: with a digest alone kustomize takes the tag away.
	tag, digest, _ := strings.Cut(tail, "@")
	for _, part := range []struct{ key, value string }{{"newTag", strings.TrimPrefix(tag, ":")}, {"digest", digest}} {
		if part.value != "" {
			image = image.with(part.key, part.value, "what a new version changes")
		}
	}
	if len(image) > 1 && x.wants("workload") {
		k = k.with("images", list{image})
	}
	data, err := k.toYAML()
	return append([]export.File{{Path: "kustomization.yaml", Data: data}}, out...), err
}

// Stream puts the manifests that every cluster understands into one, for
// kubectl apply -f -.
func Stream(files []export.File) ([]byte, error) {
	var out bytes.Buffer
	for _, f := range files {
		switch {
		case f.Path == "Chart.yaml" || f.Path == "kustomization.yaml":
			return nil, problem.New("write it to a directory: --output DIR", "a chart or a kustomization is several files")
		case !everywhere(f.Path) && len(files) > 1:
			continue
		}
		if out.Len() > 0 {
			out.WriteString("---\n")
		}
		out.Write(f.Data)
	}
	if out.Len() == 0 {
		return nil, problem.New("write them to a directory: --output DIR", "these parts are several files, and none for every cluster")
	}
	return out.Bytes(), nil
}
