// Package exports asks the programs that read exports what they make of them. It
// builds none: make test-exports does, and says where they are.
package exports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/kubernetes"
)

// variable names the directory of the programs.
const variable = "SAFE_RUN_EXPORTS"

// program is one of them; without it the test is skipped.
func program(t *testing.T, name, checks string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		t.Skipf("NOT CHECKED: %s; make test-exports builds %s", checks, name)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("NOT CHECKED: %s; %s could not be built", checks, name)
	}
	return path
}

// output runs a program, and wants it to succeed.
func output(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	home := t.TempDir()
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "HELM_NO_PLUGINS=1"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return out
}

// input is an application with a profile, and with text that templates, shells and
// readers of YAML would like to read.
func input(t *testing.T, profile string) export.Input {
	t.Helper()
	p, err := profiles.Resolve(profile, builtin.Finder{})
	if err != nil {
		t.Fatal(err)
	}
	in := export.Input{
		Profile: p, Name: "shop", Args: []string{"{{ .Values.image }}", "}}{{`", "$(HOME)"}, Env: []string{"A=on", "B={{ fail \"no\" }}\nline", "C=0x10"},
		Image: export.Image{Reference: "ghcr.io/acme/shop:1.2", Digest: "sha256:" + strings.Repeat("01", 32), Config: true, User: "1000:1000", Volumes: []string{"/data"}},
	}
	if *p.Network.Mode != profiles.NetworkNone {
		in.Publish = []export.Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}}
	}
	return in
}

// options are kinds of exports, each for every profile.
var options = map[string]kubernetes.Options{
	"deployment":  {},
	"cronjob":     {Kind: "CronJob", Schedule: "@daily", Seccomp: kubernetes.FilterOperator},
	"statefulset": {Kind: "StatefulSet", Volumes: []kubernetes.Volume{{Path: "/var/lib/db", Size: 1 << 30}}},
}

// written is an export in a directory.
func written(t *testing.T, in export.Input, o kubernetes.Options) (dir string, files []export.File) {
	t.Helper()
	result, err := kubernetes.Export(in, o)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, f := range result.Files {
		path := filepath.Join(dir, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, result.Files
}

// objects are the documents of a stream, by kind and name.
func objects(t *testing.T, stream []byte) map[string]any {
	t.Helper()
	out := map[string]any{}
	for d := yaml.NewDecoder(bytes.NewReader(stream)); ; {
		var one map[string]any
		if err := d.Decode(&one); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatalf("%v\n%s", err, stream)
		}
		if one == nil {
			continue
		}
		key := fmt.Sprint(one["kind"], " ", one["metadata"].(map[string]any)["name"])
		if out[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		// Numbers as JSON has them, whatever YAML made of them.
		data, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		var plain any
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatal(err)
		}
		out[key] = plain
	}
}

// plain are the manifests of an export that are for every cluster and its
// administrator.
func plain(t *testing.T, in export.Input, o kubernetes.Options) map[string]any {
	t.Helper()
	_, files := written(t, in, o)
	var all [][]byte
	for _, f := range files {
		if dir := filepath.Dir(f.Path); dir == "." || dir == "admission" {
			all = append(all, f.Data)
		}
	}
	return objects(t, bytes.Join(all, []byte("\n---\n")))
}

// everyExport calls each for every profile and kind.
func everyExport(t *testing.T, each func(t *testing.T, in export.Input, o kubernetes.Options)) {
	for _, profile := range builtin.Names() {
		for name, o := range options {
			t.Run(profile+"/"+name, func(t *testing.T) {
				in := input(t, profile)
				if o.Kind == "" {
					in.Replicas = 3
				}
				each(t, in, o)
			})
		}
	}
}

// TestHelm: helm finds nothing to say against a chart, and makes of it the manifests
// that are exported without one.
func TestHelm(t *testing.T) {
	helm := program(t, "helm", "what helm makes of a chart")
	everyExport(t, func(t *testing.T, in export.Input, o kubernetes.Options) {
		want := plain(t, in, o)
		o.Format = "helm"
		dir, _ := written(t, in, o)
		output(t, helm, "lint", "--strict", dir)
		if diff := cmp.Diff(want, objects(t, output(t, helm, "template", "release", dir))); diff != "" {
			t.Errorf("helm template gives other manifests: %s", diff)
		}
	})
	t.Run("values", func(t *testing.T) {
		in := input(t, "web")
		dir, _ := written(t, in, kubernetes.Options{Format: "helm"})
		got := objects(t, output(t, helm, "template", "release", dir, "--set", "replicas=5,image=other:2,resources.limits.cpu=2"))
		spec := got["Deployment shop"].(map[string]any)["spec"].(map[string]any)
		container := spec["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
		cpu := container["resources"].(map[string]any)["limits"].(map[string]any)["cpu"]
		if spec["replicas"] != 5.0 || container["image"] != "other:2" || fmt.Sprint(cpu) != "2" {
			t.Errorf("the values change nothing: %v %v %v", spec["replicas"], container["image"], cpu)
		}
	})
}

// TestKustomize: kustomize makes of its form the manifests that are exported without
// it, and an overlay names another version by one line.
func TestKustomize(t *testing.T) {
	kustomize := program(t, "kustomize", "what kustomize makes of a kustomization")
	everyExport(t, func(t *testing.T, in export.Input, o kubernetes.Options) {
		want := plain(t, in, o)
		o.Format = "kustomize"
		dir, _ := written(t, in, o)
		if diff := cmp.Diff(want, objects(t, output(t, kustomize, "build", dir))); diff != "" {
			t.Errorf("kustomize build gives other manifests: %s", diff)
		}
	})
	t.Run("version", func(t *testing.T) {
		dir, _ := written(t, input(t, "web"), kubernetes.Options{Format: "kustomize"})
		path := filepath.Join(dir, "kustomization.yaml")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.ReplaceAll(data, []byte(strings.Repeat("01", 32)), []byte(strings.Repeat("02", 32)))
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if out := output(t, kustomize, "build", dir); !bytes.Contains(out, []byte("@sha256:0202")) || bytes.Contains(out, []byte("@sha256:0101")) {
			t.Errorf("another digest changes nothing:\n%s", out)
		}
	})
}
