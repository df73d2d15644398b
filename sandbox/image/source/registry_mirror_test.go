package source

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.podman.io/image/v5/pkg/sysregistriesv2"

	"github.com/safe-run/safe-run/sandbox/image"
)

func TestMirrors(t *testing.T) {
	i := testImage(t, testArch, "content")
	pinned := "app@" + digestOf(t, i).String()
	full := testRegistry()
	put(t, full, "app:1", i)
	put(t, full, "copies/app:1", i)
	tests := []struct {
		name   string
		conf   string // MIRROR and REGISTRY stand for the hosts
		mirror http.Handler
		image  string
		asked  bool // the mirror
		notes  int
		want   string
	}{
		{"a mirror", "[[registry]]\nlocation = \"REGISTRY\"\n[[registry.mirror]]\nlocation = \"MIRROR/copies\"\n", full, "app:1", true, 0, ""},
		{"an empty mirror", "[[registry]]\nlocation = \"REGISTRY\"\n[[registry.mirror]]\nlocation = \"MIRROR\"\n", testRegistry(), "app:1", true, 1, ""},
		{"a mirror for digests, a tag", "[[registry]]\nlocation = \"REGISTRY\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = \"MIRROR\"\n", full, "app:1", false, 0, ""},
		{"a mirror for digests, a digest", "[[registry]]\nlocation = \"REGISTRY\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = \"MIRROR\"\n", full, pinned, true, 0, ""},
		{"a mirror that lies about a digest", "[[registry]]\nlocation = \"REGISTRY\"\n[[registry.mirror]]\nlocation = \"MIRROR\"\n",
			tampered(full, "manifests/", say("application/vnd.oci.image.manifest.v1+json", []byte(`{}`))), pinned, true, 1, ""},
		{"blocked", "[[registry]]\nlocation = \"REGISTRY\"\nblocked = true\n", full, "app:1", false, 0, "blocked in registries.conf"},
		{"elsewhere", "[[registry]]\nprefix = \"REGISTRY\"\nlocation = \"MIRROR/copies\"\n", full, "app:1", true, 0, ""},
		{"no file", "[[registry]]\nlocation = ", full, "app:1", false, 0, "registries.conf cannot be read"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t)
			seen := &counting{Handler: test.mirror}
			mirror := n.serve("mirror.example.com", "198.51.100.1", seen)
			host := n.serve(someHost, someAddress, full)
			n.write("registries.conf", strings.NewReplacer("MIRROR", mirror, "REGISTRY", host).Replace(test.conf))
			found, err := n.find(host + "/" + test.image)
			if test.want != "" {
				refuses(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if found.Repository != host+"/app" || found.Digest != digestOf(t, i) {
				t.Errorf("found %s at %s", found.Digest, found.Repository)
			}
			if asked := len(seen.paths) > 0; asked != test.asked || len(n.notes) != test.notes {
				t.Errorf("mirror was asked %v; notes %q", seen.paths, n.notes)
			}
			if _, err := readLayer(t, found.Layers[0], 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPlainHTTP: without TLS only where registries.conf says so, or on this
// machine.
func TestPlainHTTP(t *testing.T) {
	h := testRegistry()
	put(t, h, "app:1", testImage(t, testArch, "content"))
	tests := []struct {
		name, conf string
		ok         bool
	}{
		{"registry.example.com", "", false},
		{"10.0.0.5", "", false},
		{"192.168.0.5", "", false},
		{"host.local", "", false},
		{"registry.example.com", "insecure = true", true},
		{"127.0.0.1", "", true},
		{"127.0.0.9", "", true},
		{"localhost", "", true},
		{"six.localhost", "", true},
	}
	for _, test := range tests {
		n := newNetwork(t)
		address := someAddress
		switch {
		case test.name == "localhost":
			address = "127.0.0.1"
		case test.name == "six.localhost":
			address = "::1"
		case test.name[0] == '1':
			address = test.name
		}
		host := n.servePlain(test.name, address, h)
		if test.conf != "" {
			n.write("registries.conf", fmt.Sprintf("[[registry]]\nlocation = %q\n%s\n", host, test.conf))
		}
		_, err := n.find(host + "/app:1")
		if test.ok && err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if !test.ok {
			refuses(t, err, "speaks http without TLS")
		}
	}
}

func TestInsecureTLS(t *testing.T) {
	n := newNetwork(t)
	h := testRegistry()
	put(t, h, "app:1", testImage(t, testArch, "content"))
	s := tlsServer(t)
	s.Config.Handler = h
	host := n.add(someHost, someAddress, s)
	_, err := n.find(host + "/app:1")
	refuses(t, err, "unknown authority")
	n.write("registries.conf", fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", host))
	sysregistriesv2.InvalidateCache()
	n.mustFind(host + "/app:1")
}

func TestLocalOnly(t *testing.T) {
	_, err := Find(t.Context(), image.Reference{Transport: image.Docker, Path: "registry.invalid/app:1"}, Options{Arch: testArch, LocalOnly: true})
	refuses(t, err, "registries are not to be asked")
}

func TestNamespaceProxy(t *testing.T) {
	n := newNetwork(t)
	h := testRegistry()
	put(t, h, "app:1", testImage(t, testArch, "content"))
	var asked []string
	proxy := n.serve("proxy.example.com", someAddress, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("ns"))
		h.ServeHTTP(w, r)
	}))
	n.write("registries.conf", fmt.Sprintf("[[registry]]\nlocation = \"upstream.example\"\n[[registry.mirror]]\nlocation = %q\nnamespace-proxy = \"upstream.example\"\n", proxy))
	n.mustFind("upstream.example/app:1")
	if strings.Join(asked, " ") != "upstream.example upstream.example" {
		t.Errorf("asked for %q", asked)
	}
}
