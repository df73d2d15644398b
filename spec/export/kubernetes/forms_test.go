package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"text/template"

	apps "k8s.io/api/apps/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
)

func byPath(files []export.File) map[string][]byte {
	out := map[string][]byte{}
	for _, f := range files {
		out[f.Path] = f.Data
	}
	return out
}

// sprig are the functions of Helm's that the charts use.
var sprig = template.FuncMap{
	"quote":   func(v any) string { return fmt.Sprintf("%q", fmt.Sprint(v)) },
	"nindent": func(n int, s string) string { return "\n" + indented(n, s) },
	"toYaml": func(v any) (string, error) {
		data, err := sigsyaml.Marshal(v)
		return strings.TrimSuffix(string(data), "\n"), err
	},
}

func indented(n int, s string) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad)
}

// rendered is a template of a chart with its values.
func rendered(t *testing.T, name string, data []byte, values any) []byte {
	t.Helper()
	tmpl, err := template.New(name).Option("missingkey=error").Funcs(sprig).Parse(string(data))
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, data)
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, map[string]any{"Values": values}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out.Bytes()
}

// TestHelm: a chart with its own values is the manifests, whatever was typed; and
// each value changes what it says.
func TestHelm(t *testing.T) {
	in := inputOf(resolved(t, "web"))
	in.Replicas, in.Args, in.Env = 3, []string{"{{ .Values.image }}", "}}{{`"}, []string{"T={{ fail \"no\" }}"}
	plain, chart := byPath(exported(t, in, Options{}).Files), byPath(exported(t, in, Options{Format: "helm"}).Files)
	var values map[string]any
	if err := sigsyaml.Unmarshal(chart["values.yaml"], &values); err != nil {
		t.Fatal(err)
	}
	found := 0
	for path, data := range plain {
		name := "templates/" + strings.ReplaceAll(path, "/", "-")
		tmpl, ok := chart[name]
		if !ok {
			continue
		}
		found++
		want, got := decode(t, path, data), decode(t, name, rendered(t, name, tmpl, values))
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s is other as a template:\n%s", path, tmpl)
		}
	}
	if found != 7 {
		t.Errorf("%d templates", found)
	}
	values["image"], values["replicas"] = "other:2", 5
	values["resources"].(map[string]any)["limits"].(map[string]any)["cpu"] = "2"
	d := decode(t, "workload", rendered(t, "workload", chart["templates/workload.yaml"], values)).(*apps.Deployment)
	c := d.Spec.Template.Spec.Containers[0]
	if c.Image != "other:2" || *d.Spec.Replicas != 5 || c.Resources.Limits.Cpu().String() != "2" {
		t.Errorf("the values change nothing: %s %d %s", c.Image, *d.Spec.Replicas, c.Resources.Limits.Cpu())
	}
	var meta struct{ APIVersion, Name, Version, Type string }
	if err := sigsyaml.UnmarshalStrict(chart["Chart.yaml"], &meta); err == nil || meta.APIVersion != "v2" || meta.Name != "shop" || meta.Version == "" {
		t.Logf("%+v", meta)
	}
}

// TestForms: JSON says what YAML says, a kustomization names files that are there,
// and one export is the same as the next.
func TestForms(t *testing.T) {
	for _, profile := range builtin.Names() {
		in := inputOf(resolved(t, profile))
		yaml, asJSON := exported(t, in, Options{}), byPath(exported(t, in, Options{Format: "json"}).Files)
		if again := exported(t, in, Options{}); !reflect.DeepEqual(yaml, again) {
			t.Errorf("%s: two exports are not the same", profile)
		}
		for _, f := range yaml.Files {
			path, isYAML := strings.CutSuffix(f.Path, ".yaml")
			if !isYAML {
				continue
			}
			var a, b any
			if err := sigsyaml.Unmarshal(f.Data, &a); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(asJSON[path+".json"], &b); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s: %s is other in JSON", profile, path)
			}
		}
		files := byPath(exported(t, in, Options{Format: "kustomize"}).Files)
		var k struct {
			Resources []string
			Images    []struct{ Name, Digest string }
		}
		if err := sigsyaml.Unmarshal(files["kustomization.yaml"], &k); err != nil {
			t.Fatal(err)
		}
		if len(k.Resources) < 3 || len(k.Images) != 1 || k.Images[0].Digest != someDigest {
			t.Errorf("%s: %+v", profile, k)
		}
		for _, r := range k.Resources {
			if files[r] == nil {
				t.Errorf("%s: %s is listed and not there", profile, r)
			}
		}
	}
}

// TestText: text comes back as it was typed, whatever readers of YAML take words
// for.
func TestText(t *testing.T) {
	texts := []string{
		"", "on", "No", "y", "~", "null", "1", "0x1f", "1e3", "1:30", "0777", ".5", "-", "- a", "a: b", "a #b", "#", "'", "\"", "\\", "%", "@", "`", "!x", "&a", "*a",
		"{a", "[a", "multi\nline", "multi\nline\n", "  lead\nline", "tab\t", "trail \nx", "\u00e9\u4e2d", "\u0007", "\u2028", "2001-01-01", "<<", "=", "yes please", "inf", ".inf", "|", ">", "12Mi", "5m",
	}
	for _, want := range texts {
		data, err := object{}.with("a", object{}.with("b", want, "a note\nof two lines # and more")).toYAML()
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ A struct{ B any } }
		if err := sigsyaml.Unmarshal(data, &got); err != nil || got.A.B != want {
			t.Errorf("%q is %q in\n%s%v", want, got.A.B, data, err)
		}
	}
	for _, bad := range []string{"a\uE000image\uE001", "\xff"} {
		if _, err := (object{}.with("a", bad)).toYAML(); err == nil {
			t.Errorf("%q is written", bad)
		}
	}
}
