package kubernetes

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the schemas of the API anew")

// published is where the unit tests of the export find the schemas.
var published = filepath.Join("..", "..", "spec", "export", "kubernetes", "testdata", "openapi.json")

// groups are the groups of what is exported, as the API server names them.
var groups = []string{
	"api/v1", "apis/apps/v1", "apis/batch/v1", "apis/networking.k8s.io/v1", "apis/policy/v1", "apis/admissionregistration.k8s.io/v1",
}

// schemas are what the server publishes of the kinds that are exported: a definition
// a line, without its descriptions.
func schemas(t *testing.T, s *server) []byte {
	t.Helper()
	all, kinds := map[string]any{}, map[string]string{}
	for _, group := range groups {
		code, said := s.ask(t, http.MethodGet, "/openapi/v3/"+group, nil)
		var document struct {
			Components struct{ Schemas map[string]map[string]any }
		}
		if err := json.Unmarshal([]byte(said), &document); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d %v", group, code, err)
		}
		for name, schema := range document.Components.Schemas {
			for _, one := range asList(schema["x-kubernetes-group-version-kind"]) {
				gvk := one.(map[string]any)
				path := strings.TrimPrefix(fmt.Sprint(gvk["group"], "/", gvk["version"]), "/")
				if kind := fmt.Sprint(gvk["kind"]); places[kind] != "" && strings.HasSuffix("/"+group, "/"+path) {
					kinds[path+" "+kind] = name
				}
			}
			all[name] = stripped(schema)
		}
	}
	if len(kinds) != len(places) {
		t.Errorf("%d kinds of %d are published: %v", len(kinds), len(places), kinds)
	}
	needed := map[string]bool{}
	for _, name := range kinds {
		need(all, name, needed)
	}
	var out bytes.Buffer
	line := func(before string, value any, after string) {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(before + string(data) + after)
	}
	line("{\n\"kinds\": ", kinds, ",\n\"$defs\": {\n")
	names := slices.Sorted(maps.Keys(needed))
	for i, name := range names {
		line("", name, ": ")
		line("", all[name], map[bool]string{true: ",\n", false: "\n"}[i < len(names)-1])
	}
	out.WriteString("}\n}\n")
	return out.Bytes()
}

func asList(value any) []any {
	all, _ := value.([]any)
	return all
}

// stripped is a schema without what judges nothing.
func stripped(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, one := range v {
			switch {
			case key == "properties":
				all := map[string]any{}
				for name, schema := range one.(map[string]any) {
					all[name] = stripped(schema)
				}
				out[key] = all
			case key == "$ref":
				out[key] = strings.Replace(one.(string), "#/components/schemas/", "#/$defs/", 1)
			case key != "description" && key != "default" && !strings.HasPrefix(key, "x-kubernetes-"):
				out[key] = stripped(one)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = stripped(v[i])
		}
		return out
	}
	return value
}

// need notes a definition and those that it refers to.
func need(all map[string]any, name string, noted map[string]bool) {
	if noted[name] {
		return
	}
	noted[name] = true
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				need(all, strings.TrimPrefix(ref, "#/$defs/"), noted)
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(all[name])
}

// schemasAreTheServers: what the unit tests hold exports against is what this server
// publishes; -update writes it.
func schemasAreTheServers(t *testing.T, s *server) {
	got := schemas(t, s)
	if *update {
		if err := os.WriteFile(published, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("go test ./integration/kubernetes -update writes the schemas anew:\n%.4000s", diff)
	}
}
