package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"k8s.io/apimachinery/pkg/api/resource"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
)

// openAPI are the schemas that an API server publishes of the kinds of an export, by
// "apps/v1 Deployment". testdata/openapi.json is from a server: make test-kubernetes
// holds it against one.
var openAPI = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	data, err := os.ReadFile(filepath.Join("testdata", "openapi.json"))
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	closeObjects(document)
	const quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity"
	document.(map[string]any)["$defs"].(map[string]any)[quantity].(map[string]any)["format"] = "quantity"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: "int32", Validate: func(v any) error {
		n, ok := v.(json.Number)
		if i, err := n.Int64(); ok && (err != nil || i < math.MinInt32 || i > math.MaxInt32) {
			return fmt.Errorf("%v has more than 32 bits", v)
		}
		return nil
	}})
	c.RegisterFormat(&jsonschema.Format{Name: "quantity", Validate: func(v any) error {
		_, err := resource.ParseQuantity(fmt.Sprint(v))
		return err
	}})
	const url = "https://kubernetes.example/openapi.json"
	if err := c.AddResource(url, document); err != nil {
		return nil, err
	}
	out := map[string]*jsonschema.Schema{}
	for kind, name := range document.(map[string]any)["kinds"].(map[string]any) {
		if out[kind], err = c.Compile(fmt.Sprintf("%s#/$defs/%s", url, name)); err != nil {
			return nil, err
		}
	}
	return out, nil
})

// closeObjects makes fields that no schema names errors, as the API server has them
// with fieldValidation=Strict.
func closeObjects(value any) {
	switch v := value.(type) {
	case map[string]any:
		_, open := v["additionalProperties"]
		if v["properties"] != nil && !open && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, one := range v {
			closeObjects(one)
		}
	case []any:
		for _, one := range v {
			closeObjects(one)
		}
	}
}

// judged is what the published schema says of a manifest; nil for a kind that is no
// cluster's own.
func judged(t *testing.T, manifest any) error {
	t.Helper()
	all, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	top := manifest.(map[string]any)
	kind := fmt.Sprint(top["apiVersion"], " ", top["kind"])
	schema := all[kind]
	if schema == nil {
		if !slices.Contains(custom, kind) {
			t.Fatalf("no schema of %s", kind)
		}
		return nil
	}
	return schema.Validate(manifest)
}

// generic reads a manifest with nothing of its kind.
func generic(t *testing.T, data []byte) any {
	t.Helper()
	asJSON, err := sigsyaml.YAMLToJSONStrict(data)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// everyManifest calls each with every manifest of the built-in profiles named, in
// every kind, and with those of a profile that says everything.
func everyManifest(t *testing.T, names []string, each func(t *testing.T, manifest any)) {
	one := func(name string, in export.Input, o Options) {
		t.Run(name+"/"+o.Kind, func(t *testing.T) {
			for _, f := range exported(t, in, o).Files {
				if strings.HasSuffix(f.Path, ".yaml") {
					each(t, generic(t, f.Data))
				}
			}
		})
	}
	for _, kind := range Kinds {
		for _, profile := range names {
			in := inputOf(resolved(t, profile))
			if kind == "Deployment" {
				in.Replicas = 3
			}
			one(profile, in, optionsOf(kind))
		}
		full := inputOf(fullProfile(t))
		full.Publish = nil
		o := optionsOf(kind)
		o.PodSecurity, o.AppArmor, o.Volumes = "privileged", "acme", []Volume{{Path: "/var/lib/db", Size: 1 << 30}}
		o.Keys = map[string]string{"/keys/release.pub": somePEM}
		one("everything", full, o)
	}
}

// TestOpenAPI: every manifest is what the published schema of its kind demands, with
// no field beside it.
func TestOpenAPI(t *testing.T) {
	everyManifest(t, builtin.Names(), func(t *testing.T, manifest any) {
		if err := judged(t, manifest); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// free says whether a name is for who writes the manifest to choose.
func free(parent, name string) bool {
	return strings.Contains(name, "/") || slices.Contains([]string{"labels", "annotations", "matchLabels", "limits", "requests"}, parent)
}

// TestOpenAPIBites: a manifest in which any one field is misspelt, or holds what is no
// value of it, is refused. This is what the schemas are there for.
func TestOpenAPIBites(t *testing.T) {
	mutants := 0
	everyManifest(t, []string{"db"}, func(t *testing.T, manifest any) {
		top := manifest.(map[string]any)
		if slices.Contains(custom, fmt.Sprint(top["apiVersion"], " ", top["kind"])) {
			return
		}
		refused := func(what string) {
			t.Helper()
			if mutants++; judged(t, manifest) == nil {
				t.Errorf("%s %s is taken", top["kind"], what)
			}
		}
		var walk func(path string, value any)
		walk = func(path string, value any) {
			switch v := value.(type) {
			case map[string]any:
				for key, was := range v {
					here := path + "." + key
					if path == "" && (key == "kind" || key == "apiVersion") {
						continue // they choose the schema
					}
					if !free(path[strings.LastIndexByte(path, '.')+1:], key) {
						delete(v, key)
						v[key+"x"] = was
						refused(here + " misspelt")
						delete(v, key+"x")
					}
					v[key] = wrong(was)
					refused(here + " with a wrong value")
					v[key] = was
					walk(here, was)
				}
			case []any:
				for i, was := range v {
					v[i] = wrong(was)
					refused(fmt.Sprintf("%s[%d] with a wrong value", path, i))
					v[i] = was
					walk(path, was)
				}
			}
		}
		walk("", manifest)
	})
	if mutants < 3000 {
		t.Errorf("only %d mutants", mutants)
	}
}

// wrong is a value of another type.
func wrong(was any) any {
	switch was.(type) {
	case map[string]any:
		return []any{json.Number("1")}
	case []any:
		return map[string]any{"a": json.Number("1")}
	}
	return []any{"wrong"}
}

// TestOpenAPIValues: words where only some are meant, numbers that are too large, and
// what must be there.
func TestOpenAPIValues(t *testing.T) {
	set := func(value any, path ...any) func(root any) {
		return func(root any) {
			for _, step := range path[:len(path)-1] {
				if i, ok := step.(int); ok {
					root = root.([]any)[i]
				} else {
					root = root.(map[string]any)[step.(string)]
				}
			}
			in, key := root.(map[string]any), path[len(path)-1].(string)
			if in[key] == nil {
				panic(fmt.Sprint(path, " is not there"))
			}
			if in[key] = value; value == nil {
				delete(in, key)
			}
		}
	}
	pod := func(path ...any) []any { return append([]any{"spec", "template", "spec"}, path...) }
	container := func(path ...any) []any { return append(pod("containers", 0), path...) }
	for what, weaken := range map[string]func(any){
		"an unknown kind of filter":        set("Local", pod("securityContext", "seccompProfile", "type")...),
		"an unknown kind of groups policy": set("strict", pod("securityContext", "supplementalGroupsPolicy")...),
		"an unknown change policy":         set("Never", pod("securityContext", "fsGroupChangePolicy")...),
		"an unknown proc":                  set("Masked", container("securityContext", "procMount")...),
		"an unknown protocol":              set("tcp", container("ports", 0, "protocol")...),
		"no name":                          set(nil, container("name")...),
		"no containers":                    set(nil, pod("containers")...),
		"no selector":                      set(nil, "spec", "selector"),
		"no quantity":                      set("1 GiB", container("resources", "limits", "memory")...),
		"33 bits":                          set(json.Number("4294967297"), "spec", "replicas"),
		"a fraction":                       set(json.Number("1.5"), pod("terminationGracePeriodSeconds")...),
	} {
		for _, f := range exported(t, inputOf(resolved(t, "web")), Options{}).Files {
			if f.Path != "workload.yaml" {
				continue
			}
			manifest := generic(t, f.Data)
			if err := judged(t, manifest); err != nil {
				t.Fatal(err)
			}
			weaken(manifest)
			if judged(t, manifest) == nil {
				t.Errorf("%s is taken", what)
			}
		}
	}
}
