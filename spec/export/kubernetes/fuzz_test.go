package kubernetes

import (
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/export"
)

// FuzzExport: whatever is typed, an export is refused or can be read back, with
// what was typed in its place and nowhere else.
func FuzzExport(f *testing.F) {
	f.Add("shop", "ghcr.io/acme/shop:1", "VALUE", "--arg", "/data", uint16(80))
	f.Add("a", "nginx", "on\n- x: y", "{{ .Values }}", "/", uint16(0))
	f.Add("a", "docker://a:1", "$(A)", "\x00", "/a:b", uint16(1))
	web := resolved(f, "web")
	f.Fuzz(func(t *testing.T, name, ref, value, arg, path string, port uint16) {
		in := export.Input{
			Profile: web, Name: name, Image: export.Image{Reference: ref}, Env: []string{"A=" + value}, Args: []string{arg},
			Publish: []export.Port{{ContainerPort: port, Protocol: "tcp"}},
		}
		result, err := Export(in, Options{Kind: "Pod", Volumes: []Volume{{Path: path}}, Parts: []string{"workload", "service", "networkpolicy", "admission"}})
		if err != nil {
			return
		}
		for _, file := range result.Files {
			pod, ok := podOf(decode(t, file.Path, file.Data))
			if !ok {
				continue
			}
			c := pod.Spec.Containers[0]
			if c.Name != name || c.Args[0] != strings.ReplaceAll(arg, "$(", "$$(") || c.Env[0].Value != strings.ReplaceAll(value, "$(", "$$(") {
				t.Errorf("%q %q %q", c.Name, c.Args, c.Env)
			}
			if c.SecurityContext.Privileged == nil || *c.SecurityContext.Privileged || len(pod.Spec.Containers) != 1 {
				t.Errorf("%+v", c)
			}
		}
	})
}
