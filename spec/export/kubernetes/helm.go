package kubernetes

import (
	"bytes"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
)

// chartVersion is of the chart that is written; who publishes it numbers it.
const chartVersion = "0.1.0"

// helm is a chart: the manifests with the values taken out that whoever installs
// it may change. What makes the pod safe is none of them.
func (x *exporter) helm(docs []document) ([]export.File, error) {
	name := x.in.Name
	chart := object{}.with("apiVersion", "v2").with("name", name).
		with("description", "made by safe-run export from the profile "+x.p.Metadata.Name).
		with("type", "application").with("version", chartVersion)
	defaults := object{}.
		with("image", x.pinned(), "name a new version with its digest").
		with("replicas", int64(x.in.Replicas)).
		with("resources", x.resources(), "the profile's limits; admission refuses more")
	var out []export.File
	for _, f := range []struct {
		path string
		obj  object
	}{{"Chart.yaml", chart}, {"values.yaml", defaults}} {
		data, err := f.obj.toYAML()
		if err != nil {
			return nil, err
		}
		out = append(out, export.File{Path: f.path, Data: data})
	}
	for _, d := range docs {
		obj := d.obj
		if d.path == "workload" {
			obj = x.templated(obj).(object)
		}
		data, err := obj.toYAML()
		if err != nil {
			return nil, err
		}
		path := "templates/" + strings.ReplaceAll(d.path, "/", "-") + ".yaml"
		if !everywhere(d.path) && !strings.HasPrefix(d.path, "admission/") {
			path = "extra/" + strings.ReplaceAll(d.path, "/", "-") + ".yaml" // for clusters that have the operators
			out = append(out, export.File{Path: path, Data: data})
			continue
		}
		out = append(out, export.File{Path: path, Data: unmark(data)})
	}
	return out, nil
}

// Marks stand for the values until the document is written: they are plain words,
// which no name, path or text of a manifest can be, because of the character.
const (
	markBegin = "\uE000"
	markEnd   = "\uE001"
)

// templated takes the values out of a workload.
func (x *exporter) templated(value any) any {
	switch v := value.(type) {
	case object:
		out := object{}
		for _, m := range v {
			switch {
			case m.key == "image":
				m.value, m.note = chartValue("image"), ""
			case m.key == "replicas":
				m.value, m.note = chartValue("replicas"), ""
			case m.key == "resources" && isContainer(v):
				m.value, m.note = chartValue("resources"), ""
			default:
				m.value = x.templated(m.value)
			}
			out = append(out, m)
		}
		return out
	case list:
		out := list{}
		for _, one := range v {
			if with, ok := one.(noted); ok {
				with.value = x.templated(with.value)
				out = append(out, with)
				continue
			}
			out = append(out, x.templated(one))
		}
		return out
	}
	return value
}

func isContainer(o object) bool { return o.get("image") != nil }

// unmark makes a template of a document: what was typed and looks like one is
// kept from being read, and the marks become the values.
func unmark(data []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(data) {
		text := strings.ReplaceAll(string(line), "{{", `{{ "{{" }}`)
		before, rest, found := strings.Cut(text, markBegin)
		if !found {
			out.WriteString(text)
			continue
		}
		name, after, _ := strings.Cut(rest, markEnd)
		indent := len(before) - len(strings.TrimLeft(before, " -"))
		switch name {
		case "resources":
			out.WriteString(strings.TrimRight(before, " \"") + "\n" + strings.Repeat(" ", indent+2) + "{{- toYaml .Values.resources | nindent " + itoa(uint16(indent+2)) + " }}\n")
		case "replicas":
			out.WriteString(strings.TrimRight(before, "\"") + "{{ .Values.replicas }}" + strings.TrimLeft(after, "\""))
		default:
			out.WriteString(strings.TrimRight(before, "\"") + "{{ .Values." + name + " | quote }}" + strings.TrimLeft(after, "\""))
		}
	}
	return out.Bytes()
}
