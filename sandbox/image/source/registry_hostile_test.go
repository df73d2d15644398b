package source

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// tampered passes requests on until their path has part in it.
func tampered(h http.Handler, part string, f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, part) {
			f(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func say(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	}
}

// unending sends until nobody listens.
func unending(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			return
		}
	}
}

// dripping sends just enough not to be idle.
func dripping(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write(make([]byte, progress)); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(20 * time.Millisecond)
	}
}

// silentAfter sends headers and nothing else.
func silentAfter(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func TestHostileAnswers(t *testing.T) {
	i := testImage(t, testArch, "content")
	raw, err := i.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := i.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	oci := string(types.OCIManifestSchema1)
	manifest := string(raw)
	tests := []struct {
		name, part string
		answer     http.HandlerFunc
		want       string
	}{
		{"another digest than it says", "manifests/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
			say(oci, raw)(w, r)
		}, "its digest is sha256:"},
		{"an unending manifest", "manifests/", unending, "more than 4 MiB"},
		{"a manifest that drips", "manifests/", dripping, "it is too slow"},
		{"a manifest of 10 GB", "manifests/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000000000")
		}, "more than 4 MiB"},
		{"a shorter manifest than announced", "manifests/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, manifest[:10])
		}, "the connection broke"},
		{"nothing at all", "manifests/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "stopped answering"},
		{"headers and then nothing", "manifests/", silentAfter(http.StatusOK), "stopped answering"},
		{"an error that does not end", "manifests/", silentAfter(http.StatusNotFound), "stopped answering"},
		{"headers without end", "manifests/", func(w http.ResponseWriter, _ *http.Request) {
			for n := range 100 {
				w.Header().Set(fmt.Sprintf("X-%d", n), strings.Repeat("x", 4096))
			}
		}, "headers"},
		{"a web page", "manifests/", say("text/html; charset=utf-8", []byte("<html>\x1b[31m")), "a web page"},
		{"another type than it is", "manifests/", say(string(types.DockerManifestSchema2), raw), "is served as"},
		{"an artifact", "manifests/", say("application/vnd.acme+json", []byte("{}")), "no container image"},
		{"schema 1", "manifests/", say("application/vnd.docker.distribution.manifest.v1+prettyjws", []byte(`{"schemaVersion":1}`)), "schema 1"},
		{"schema 1 without a type", "manifests/", say("application/json", []byte(`{"schemaVersion":1,"fsLayers":[]}`)), "schema 1"},
		{"image and index", "manifests/", say(oci, []byte(`{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`)), "an image and as an index"},
		{"no JSON", "manifests/", say(oci, []byte("{")), "malformed"},
		{"JSON and more", "manifests/", say(oci, []byte(manifest+"{}")), "malformed"},
		{"an index of itself", "manifests/", say(string(types.OCIImageIndex), fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"size":5,"digest":"sha256:%s"}]}`,
			types.OCIImageIndex, strings.Repeat("1", 64))), "its digest is"},
		{"an index that gives no digest", "manifests/", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/1") {
				say(string(types.OCIImageIndex), fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"size":%d}]}`, oci, len(raw)))(w, r)
				return
			}
			say(oci, raw)(w, r)
		}, "by no digest"},
		{"a layer without a digest", "manifests/", say(oci, []byte(digestless(t, manifest))), "by no digest"},
		{"layers twice", "manifests/", say(oci, []byte(`{"layers":[],`+manifest[1:])), `"layers" twice`},
		{"layers, and Layers", "manifests/", say(oci, []byte(`{"Layers":[],`+manifest[1:])), `"Layers", which some read as "layers"`},
		{"config, and a look-alike", "manifests/", say(oci, []byte(`{"\u017fchemaVersion":1,`+manifest[1:])), `which some read as "schemaVersion"`},
		{"a config with another digest", "blobs/", say("", []byte(strings.Repeat("x", len(config)))), "config is damaged"},
		{"a config of 10 GB", "blobs/", unending, "more than was asked for"},
		{"no config", "blobs/", http.NotFound, "there is no"},
		{"teapot", "manifests/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, "418"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			n.r.idle = 300 * time.Millisecond
			h := testRegistry()
			put(t, h, "app:1", i)
			host := n.serve(someHost, someAddress, tampered(h, test.part, test.answer))
			_, err := n.find(host + "/app:1")
			refuses(t, err, test.want, "registry "+host)
		})
	}
}

// digestless takes the digest of the first layer out of a manifest.
func digestless(t *testing.T, manifest string) string {
	t.Helper()
	head, layers, found := strings.Cut(manifest, `"layers":`)
	if !found {
		t.Fatalf("no layers in %s", manifest)
	}
	return head + `"layers":` + regexp.MustCompile(`,?"digest":"[^"]*"`).ReplaceAllString(layers, "")
}

func TestPinnedDigestIsChecked(t *testing.T) {
	n := newNetwork(t)
	h := testRegistry()
	other := testImage(t, testArch, "other")
	put(t, h, "app:1", other)
	raw, err := other.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	host := n.serve(someHost, someAddress, tampered(h, "manifests/", say(string(types.OCIManifestSchema1), raw)))
	_, err = n.find(host + "/app@" + digestOf(t, testImage(t, testArch, "ours")).String())
	refuses(t, err, "its digest is "+digestOf(t, other).String())
}

func TestRepeats(t *testing.T) {
	i := testImage(t, testArch, "content")
	tests := []struct {
		name  string
		codes []int
		after string
		want  string // "" when it works in the end
		asked int
	}{
		{"503 and then fine", []int{503, 502, 200}, "", "", 3},
		{"429 and then fine", []int{429, 200}, "0", "", 2},
		{"broken for good", []int{500}, "", "it is broken: it answered 500", attempts},
		{"429 for good", []int{429}, "", "rate limit", attempts},
		{"429 for an hour", []int{429}, "3600", "rate limit", 1},
		{"404", []int{404}, "", "there is no", 1},
		{"403", []int{403}, "", "does not let us read", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t)
			h := testRegistry()
			put(t, h, "app:1", i)
			asked := 0
			host := n.serve(someHost, someAddress, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/manifests/") {
					code := test.codes[min(asked, len(test.codes)-1)]
					asked++
					if code != http.StatusOK {
						w.Header().Set("Retry-After", test.after)
						w.WriteHeader(code)
						return
					}
				}
				h.ServeHTTP(w, r)
			}))
			_, err := n.find(host + "/app:1")
			if test.want != "" {
				refuses(t, err, test.want)
				if problem.HintOf(err) == "" {
					t.Error("no hint")
				}
			} else if err != nil {
				t.Error(err)
			}
			if asked != test.asked {
				t.Errorf("asked %d times, want %d", asked, test.asked)
			}
		})
	}
}

func TestReadsNothingTooLarge(t *testing.T) {
	n := newNetwork(t)
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"size":%d,"digest":"sha256:%s"},"layers":[]}`,
		types.OCIManifestSchema1, types.OCIConfigJSON, bounds.Metadata+1, strings.Repeat("2", 64))
	host := n.serve(someHost, someAddress, tampered(http.NotFoundHandler(), "manifests/", say(string(types.OCIManifestSchema1), manifest)))
	_, err := n.find(host + "/app:1")
	refuses(t, err, "at most 4 MiB")
}

func TestServersThatCannotBeAsked(t *testing.T) {
	n := newNetwork(t)
	plain := n.servePlain(someHost, someAddress, http.NotFoundHandler())
	unknown := n.add("other.example.com", someAddress, tlsServer(t))
	foreign := n.serve("registry.test", someAddress, http.NotFoundHandler())
	tests := []struct{ name, want, hint string }{
		{plain + "/app", "speaks http without TLS", "insecure = true"},
		{unknown + "/app", "unknown authority", "/etc/containers/certs.d/" + unknown + "/ca.crt"},
		{foreign + "/app", "its certificate is for another name", "subjectAltName"},
		{"nowhere.invalid/app", "nowhere.invalid cannot be resolved", "getent hosts"},
		{"127.0.0.1:1/app", "refuses connections", "port"},
		{"localhost/app", "never at a registry", "localhost:PORT"},
	}
	for _, test := range tests {
		_, err := n.find(test.name)
		refuses(t, err, test.want)
		if hint := problem.HintOf(err); !strings.Contains(hint, test.hint) {
			t.Errorf("%s: hint %q, want %q", test.name, hint, test.hint)
		}
	}
}

// tlsServer has a certificate that nobody knows.
func tlsServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
