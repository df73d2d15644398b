package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/export"
)

func TestApplicationName(t *testing.T) {
	for reference, want := range map[string]string{
		"nginx": "nginx", "nginx:1.27": "nginx", "ghcr.io/acme/My_App:1@sha256:00": "my-app", "localhost:5000/shop": "shop",
		"oci:dir/layout:tag": "layout", "9": "", "": "", "a/-": "", "registry/1abc": "",
	} {
		got, err := applicationName("", reference)
		if (err != nil) != (want == "") || got != want {
			t.Errorf("%q: %q %v", reference, got, err)
		}
	}
}

func TestParsePublish(t *testing.T) {
	for text, want := range map[string]export.Port{
		"80":                {ContainerPort: 80, Protocol: "tcp"},
		"8080:80/udp":       {HostPort: 8080, ContainerPort: 80, Protocol: "udp"},
		"127.0.0.1:8080:80": {HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: 80, Protocol: "tcp"},
		"127.0.0.1::80":     {HostIP: "127.0.0.1", ContainerPort: 80, Protocol: "tcp"},
		"[::1]:8080:80":     {HostIP: "::1", HostPort: 8080, ContainerPort: 80, Protocol: "tcp"},
	} {
		if got, err := parsePublish(text); err != nil || got != want {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "65536", "+80", "a", "80/icmp", "1.2.3:80:80", "80:", "80-90:80-90", "80/"} {
		if got, err := parsePublish(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func FuzzParsePublish(f *testing.F) {
	f.Add("127.0.0.1:8080:80/udp")
	f.Add("[::1]::80")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePublish(text); err == nil && (p.ContainerPort == 0 || p.Protocol != "tcp" && p.Protocol != "udp") {
			t.Errorf("%q: %+v", text, p)
		}
	})
}

func TestImageHealth(t *testing.T) {
	health := func(test ...string) profiles.Health {
		return imageHealth(spec.ImageConfig{Health: &spec.ImageHealth{Test: test, Interval: 5 * time.Second, Retries: 2}})
	}
	h := health("CMD-SHELL", "curl -f localhost")
	if text, ok := h.Test.Shell(); !ok || text != "curl -f localhost" || *h.Interval != profiles.Duration(5e9) || *h.Retries != 2 || h.Timeout != nil {
		t.Errorf("%+v", h)
	}
	if h := health("CMD", "/check", "-a"); !reflect.DeepEqual(h.Test.Words(), []string{"/check", "-a"}) {
		t.Errorf("%+v", h)
	}
	for _, none := range [][]string{nil, {"NONE"}, {"CMD"}, {"OTHER", "a"}, {"CMD", ""}} {
		if h := health(none...); h.Test != nil {
			t.Errorf("%v: %+v", none, h)
		}
	}
}

// TestWriteAll: when one of several files cannot be written, none is.
func TestWriteAll(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "b"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := func() []placed {
		return []placed{
			{path: filepath.Join(dir, "a"), file: export.File{Data: []byte("1")}},
			{path: filepath.Join(dir, "b"), file: export.File{Data: []byte("2"), Executable: true}},
		}
	}
	if err := writeAll(all(), false); err == nil {
		t.Error("a file was overwritten")
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("%v", entries)
	}
	if err := writeAll(all(), true); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(filepath.Join(dir, "b"))
	info, _ := os.Stat(filepath.Join(dir, "b"))
	entries, _ = os.ReadDir(dir)
	if string(data) != "2" || info.Mode().Perm() != 0o755 || len(entries) != 2 {
		t.Errorf("%q %v %v", data, info.Mode(), entries)
	}
}
