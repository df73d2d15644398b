package kubernetes

import (
	"bytes"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
)

// Parts are what an export is made of.
var Parts = []string{"namespace", "networkpolicy", "service", "workload", "disruption", "seccomp", "operator", "admission", "kyverno"}

// document is one object with its place.
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
	add("namespace", "namespace", x.namespace())
	policy, err := x.networkPolicy()
	if err != nil {
		return nil, err
	}
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

// files writes the documents, and what is none.
func (x *exporter) files() ([]export.File, error) {
	var out []export.File
	filter, err := x.filter()
	if err != nil {
		return nil, err
	}
	docs, err := x.documents()
	if err != nil {
		return nil, err
	}
	if x.o.Seccomp != RuntimeDefault {
		if x.wants("operator") {
			docs = append(docs, document{"operator/seccompprofile", x.operatorProfile(filter)})
		}
		if x.wants("seccomp") {
			data, err := filterFile(filter)
			if err != nil {
				return nil, err
			}
			out = append(out, export.File{Path: "seccomp/" + x.filterName() + ".json", Data: data})
		}
	}
	for _, d := range docs {
		data, extension, err := []byte(nil), ".yaml", error(nil)
		if x.o.Format == "json" {
			extension = ".json"
			data, err = d.obj.toJSON()
		} else {
			data, err = d.obj.toYAML()
		}
		if err != nil {
			return nil, err
		}
		out = append(out, export.File{Path: d.path + extension, Data: data})
	}
	return out, nil
}

// Stream puts the manifests that every cluster understands into one, for
// kubectl apply -f -.
func Stream(files []export.File) ([]byte, error) {
	var out bytes.Buffer
	for _, f := range files {
		if bytes.ContainsRune([]byte(f.Path), '/') {
			continue
		}
		if out.Len() > 0 {
			out.WriteString("---\n")
		}
		out.Write(f.Data)
	}
	if out.Len() == 0 {
		return nil, problem.New("write them to a directory: --output DIR", "nothing of this can be one stream")
	}
	return out.Bytes(), nil
}
