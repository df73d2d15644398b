package install_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/safe-run/safe-run/spec/install"
)

const ours = "/usr/bin/safe-run-oci"

func TestMergeRuntime(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "{\n    \"runtimes\": {\n        \"saferun\": {\"path\": \"/usr/bin/safe-run-oci\"}\n    }\n}\n"},
		{"empty", "{}", `{"runtimes": {"saferun": {"path": "/usr/bin/safe-run-oci"}}}`},
		{"empty on lines", "{\n}\n", "{\n    \"runtimes\": {\n        \"saferun\": {\"path\": \"/usr/bin/safe-run-oci\"}\n    }\n}\n"},
		{"one line", `{"z":1,"a":{"runtimes":[]}}`, `{"z":1,"a":{"runtimes":[]}, "runtimes": {"saferun": {"path": "/usr/bin/safe-run-oci"}}}`},
		{"tabs", "{\n\t\"z\": \"}{\\\"\"\n}\n", "{\n\t\"z\": \"}{\\\"\",\n\t\"runtimes\": {\n\t\t\"saferun\": {\"path\": \"/usr/bin/safe-run-oci\"}\n\t}\n}\n"},
		{"Windows' lines", "{\r\n  \"z\": 1e3\r\n}", "{\r\n  \"z\": 1e3,\r\n  \"runtimes\": {\r\n    \"saferun\": {\"path\": \"/usr/bin/safe-run-oci\"}\r\n  }\r\n}"},
		{"runtimes", "{\n  \"runtimes\": {\n    \"kata\": {\"path\": \"k\"}\n  },\n  \"b\": null\n}", "{\n  \"runtimes\": {\n    \"kata\": {\"path\": \"k\"},\n    \"saferun\": {\"path\": \"/usr/bin/safe-run-oci\"}\n  },\n  \"b\": null\n}"},
		{"no runtimes yet", `{"runtimes":{}}`, `{"runtimes":{"saferun": {"path": "/usr/bin/safe-run-oci"}}}`},
		{"null", `{"runtimes":null}`, `{"runtimes":{"saferun": {"path": "/usr/bin/safe-run-oci"}}}`},
		{"an escaped name", `{"runtime\u0073":{}}`, `{"runtime\u0073":{"saferun": {"path": "/usr/bin/safe-run-oci"}}}`},
		{"there already", `{"runtimes":{"saferun":{"path":"/usr/bin/safe-run-oci"}}}`, `{"runtimes":{"saferun":{"path":"/usr/bin/safe-run-oci"}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := install.MergeRuntime([]byte(c.in), install.Runtime, ours)
			if err != nil || string(got) != c.want {
				t.Errorf("got %v\n%s\nwant\n%s", err, got, c.want)
			}
		})
	}
}

// FuzzMergeRuntime: dockerd sees what was there, and one runtime more; every byte
// that was there is there, in its order.
func FuzzMergeRuntime(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "{\n}", ` {"a": [1, {"b": "}"}], "runtimes": {"x": {"path": "y"}}}`, `{"runtimes": null}`, `{"runtimes": {}, "runtimes": 1}`,
		"{\r\n\t\"z\": -1e3\r\n}\r\n", `{"a": "\"\\"}`, `{"a":`, `[]`, `null`, `{"runt\u0069mes": {"saferun": {}}}`, "{\"a\":1\n,\"runtimes\"\n:\n{\n}\n}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		got, err := install.MergeRuntime(data, install.Runtime, ours)
		if !bytes.Equal(before, data) {
			t.Fatal("it changed what it was given")
		}
		if err != nil {
			return
		}
		want := decode(t, data)
		runtimes, _ := want["runtimes"].(map[string]any)
		if runtimes == nil {
			runtimes = map[string]any{}
		}
		runtimes[install.Runtime] = map[string]any{"path": ours}
		want["runtimes"] = runtimes
		if have := decode(t, got); !reflect.DeepEqual(have, want) {
			t.Fatalf("%q became %q", data, got)
		}
		again, err := install.MergeRuntime(got, install.Runtime, ours)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("once more, it is %q, %v", again, err)
		}
		if len(bytes.TrimSpace(data)) > 0 && !bytes.Contains(data, []byte("null")) && !inserted(data, got) {
			t.Fatalf("%q is not in %q", data, got)
		}
	})
}

// inserted says whether one text is the other with something put in.
func inserted(before, after []byte) bool {
	i := 0
	for i < len(before) && i < len(after) && before[i] == after[i] {
		i++
	}
	return len(after) >= len(before) && bytes.HasSuffix(after, before[i:])
}

func decode(t *testing.T, data []byte) map[string]any {
	t.Helper()
	tree := map[string]any{}
	if len(bytes.TrimSpace(data)) == 0 {
		return tree
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	return tree
}
