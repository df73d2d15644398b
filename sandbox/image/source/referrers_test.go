package source

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// artifactFor is an artifact of some blobs; it refers to subject unless that
// is nil.
func artifactFor(t *testing.T, subject *v1.Descriptor, blobs ...string) v1.Image {
	t.Helper()
	i := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), bundleType)
	var err error
	for _, b := range blobs {
		i, err = mutate.Append(i, mutate.Addendum{
			Layer:       static.NewLayer([]byte(b), bundleType),
			Annotations: map[string]string{"dev.cosignproject.cosign/signature": "sig of " + b[:1]},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if subject != nil {
		i = mutate.Subject(i, *subject).(v1.Image)
	}
	return i
}

func descriptorOf(t *testing.T, i v1.Image) *v1.Descriptor {
	t.Helper()
	d, err := partial.Descriptor(i)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tagFor is the tag of what belongs to an image.
func tagFor(h v1.Hash, suffix string) string { return "app:sha256-" + h.Hex + suffix }

func contents(all []Attachment) []string {
	var s []string
	for _, a := range all {
		for _, b := range a.Blobs {
			s = append(s, a.From[:min(len(a.From), 10)]+"|"+string(b.Data))
		}
	}
	slices.Sort(s)
	return s
}

// withoutAPI answers referrers as registries do that do not know of them.
func withoutAPI(h http.Handler, code int) http.Handler {
	return tampered(h, "/referrers/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func TestAttached(t *testing.T) {
	subject := testImage(t, testArch, "content")
	digest := digestOf(t, subject)
	h := testRegistry()
	put(t, h, "app:1", subject)
	put(t, h, "app:a", artifactFor(t, descriptorOf(t, subject), "bundle"))
	put(t, h, tagFor(digest, ".sig"), artifactFor(t, nil, "signature", "second"))
	put(t, h, tagFor(digest, ".att"), artifactFor(t, nil, "attestation"))
	standIn := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: artifactFor(t, descriptorOf(t, subject), "bundle")},
		mutate.IndexAddendum{Add: artifactFor(t, descriptorOf(t, testImage(t, testArch, "another")), "of another")})
	other := testRegistry()
	put(t, other, "app:1", subject)
	put(t, other, tagFor(digest, ""), standIn)
	bare := testRegistry()
	put(t, bare, "app:1", subject)

	cosigns := []string{"tag sha256|attestation", "tag sha256|second", "tag sha256|signature"}
	tests := []struct {
		name string
		h    http.Handler
		want []string
	}{
		{"the API, and cosign's tags", h, append([]string{"referrers|bundle"}, cosigns...)},
		{"no API (404)", withoutAPI(h, http.StatusNotFound), cosigns},
		{"no API (400)", withoutAPI(h, http.StatusBadRequest), cosigns},
		{"a web page for an API", tampered(h, "/referrers/", say("text/html", []byte("<p>"))), cosigns},
		{"the tag that stands in", withoutAPI(other, http.StatusNotFound), []string{"tag sha256|bundle"}},
		{"nothing", bare, nil},
		{"nothing and no API", withoutAPI(bare, http.StatusNotFound), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t)
			host := n.serve(someHost, someAddress, test.h)
			all, err := n.mustFind(host+"/app:1").Attached(t.Context(), digest)
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(all); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			for _, a := range all {
				if a.ArtifactType != bundleType || a.Digest == (v1.Hash{}) || !strings.HasPrefix(a.Blobs[0].Annotations["dev.cosignproject.cosign/signature"], "sig of") {
					t.Errorf("attachment %+v", a)
				}
			}
		})
	}
}

func TestHostileAttachments(t *testing.T) {
	subject := testImage(t, testArch, "content")
	digest := digestOf(t, subject)
	h := testRegistry()
	put(t, h, "app:1", subject)
	bundle := artifactFor(t, descriptorOf(t, subject), "bundle")
	put(t, h, "app:a", bundle)
	lists := func(size int64) []byte {
		return asJSON(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex,
			Manifests: []v1.Descriptor{{MediaType: types.OCIManifestSchema1, Size: size, Digest: hashBytes(nil)}}})
	}
	many := artifactFor(t, nil, strings.Split(strings.Repeat("b", maxAttachedBlobs+1), "")...)
	put(t, h, "app:many", many)
	large := artifactFor(t, nil, bytesOf(maxAttachedBlob), bytesOf(maxAttachedBlob-1), bytesOf(maxAttachedBlob-2),
		bytesOf(maxAttachedBlob-3), bytesOf(maxAttachedBlob-4), bytesOf(maxAttachedBlob-5), bytesOf(maxAttachedBlob-6), bytesOf(maxAttachedBlob-7))
	put(t, h, "app:large", large)
	index := string(types.OCIImageIndex)
	only := func(i v1.Image) []byte {
		d := descriptorOf(t, i)
		return asJSON(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}}})
	}
	tests := []struct {
		name, part string
		answer     http.HandlerFunc
		want       string
	}{
		{"broken", "/referrers/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "it is broken"},
		{"forbidden", "/referrers/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "does not let us read"},
		{"broken cosign tags", ".att", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "it is broken"},
		{"no JSON", "/referrers/", say(index, []byte("[")), "malformed"},
		{"an image and an index", "/referrers/", say(index, []byte(`{"manifests":[],"layers":[]}`)), "as an image"},
		{"not there", "/referrers/", say(index, lists(100)), "there is no"},
		{"a manifest of 1 GiB", "/referrers/", say(index, lists(1<<30)), "at most 4 MiB"},
		{"a negative size", "/referrers/", say(index, lists(-5)), "at most 4 MiB"},
		{"another size", "/referrers/", say(index, asJSON(t, v1.IndexManifest{Manifests: []v1.Descriptor{{MediaType: types.OCIManifestSchema1, Size: 5, Digest: digestOf(t, bundle)}}})), "bytes, not 5"},
		{"too many blobs", "/referrers/", say(index, only(many)), "more than 64 blobs"},
		{"too many bytes", "/referrers/", say(index, only(large)), "more than 32 MiB"},
		{"a damaged blob", hashBytes([]byte("bundle")).Hex, say("", []byte("BUNDLE")), "is damaged"},
		{"pages without end", "/referrers/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `<`+r.URL.Path+`?page=next>; rel="next"`)
			say(index, []byte(`{"manifests":[]}`))(w, r)
		}, "pages"},
		{"the next page elsewhere", "/referrers/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `<https://elsewhere.example.com/v2/>; rel="next"`)
			say(index, []byte(`{"manifests":[]}`))(w, r)
		}, "impossible place"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(t)
			host := n.serve(someHost, someAddress, tampered(h, test.part, test.answer))
			_, err := n.mustFind(host+"/app:1").Attached(t.Context(), digest)
			refuses(t, err, "what is attached to "+digest.String(), test.want)
		})
	}
}

// plentiful has as many artifacts as anybody asks for.
type plentiful struct{}

func (plentiful) manifest(d v1.Descriptor) (v1.Descriptor, []byte, error) {
	return d, []byte(`{"layers":[]}`), nil
}
func (plentiful) blob(v1.Descriptor, string) ([]byte, error) { return nil, nil }
func (plentiful) layer(v1.Descriptor) opener                 { return nil }

func TestTooManyArtifacts(t *testing.T) {
	var index v1.IndexManifest
	for n := range 10 * maxAttached {
		index.Manifests = append(index.Manifests, v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: 13, Digest: hashBytes(fmt.Append(nil, n))})
	}
	list, err := listOf(asJSON(t, index), "referrers")
	if err != nil {
		t.Fatal(err)
	}
	g := gathering{from: plentiful{}}
	refuses(t, g.addAll(list), "more than 64 artifacts")
	g = gathering{from: plentiful{}}
	if err := g.addAll(append(list[:maxAttached], list[0])); err != nil || len(g.all) != maxAttached {
		t.Errorf("%d artifacts, %v", len(g.all), err)
	}
}

// TestLargeArtifactIsLeftOut: a bill of materials of 5 MiB does not keep the
// signature beside it from being read.
func TestLargeArtifactIsLeftOut(t *testing.T) {
	subject := testImage(t, testArch, "content")
	h := testRegistry()
	put(t, h, "app:1", subject)
	put(t, h, "app:a", artifactFor(t, descriptorOf(t, subject), bytesOf(maxAttachedBlob+1)))
	put(t, h, "app:b", artifactFor(t, descriptorOf(t, subject), "bundle"))
	n := newNetwork(t)
	host := n.serve(someHost, someAddress, h)
	all, err := n.mustFind(host+"/app:1").Attached(t.Context(), digestOf(t, subject))
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(all); !slices.Equal(got, []string{"referrers|bundle"}) {
		t.Errorf("got %q", got)
	}
	if len(n.notes) != 1 || !strings.Contains(n.notes[0], "left out") {
		t.Errorf("notes %q", n.notes)
	}
}

func TestPages(t *testing.T) {
	subject := testImage(t, testArch, "content")
	h := testRegistry()
	put(t, h, "app:1", subject)
	first, second := artifactFor(t, descriptorOf(t, subject), "first"), artifactFor(t, descriptorOf(t, subject), "second")
	put(t, h, "app:a", first)
	put(t, h, "app:b", second)
	n := newNetwork(t)
	host := n.serve(someHost, someAddress, tampered(h, "/referrers/", func(w http.ResponseWriter, r *http.Request) {
		page := first
		if r.URL.Query().Get("next") == "x y" {
			page = second
		} else {
			w.Header().Set("Link", `<`+r.URL.Path+`?next=x%20y>; rel="next"`)
		}
		say(string(types.OCIImageIndex), asJSON(t, v1.IndexManifest{Manifests: []v1.Descriptor{*descriptorOf(t, page)}}))(w, r)
	}))
	all, err := n.mustFind(host+"/app:1").Attached(t.Context(), digestOf(t, subject))
	if got := contents(all); err != nil || !slices.Equal(got, []string{"referrers|first", "referrers|second"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzNextPage(f *testing.F) {
	f.Add(`</v2/app/referrers/x?n=1>; rel="next"`)
	f.Add(`<https://other/v2/>; rel=next`)
	f.Add(`<//other/v2/>;next`)
	f.Fuzz(func(t *testing.T, link string) {
		e := &endpoint{host: someHost, path: "app"}
		next, err := nextPage(link, e.url(request{path: "referrers/x"}))
		if err != nil || next == "" {
			return
		}
		if u := e.url(request{path: next, isURL: true}); u.Host != someHost || u.Scheme != "https" || !strings.HasPrefix(u.Path, "/v2/") {
			t.Errorf("%q leads to %s", link, u)
		}
	})
}

func FuzzListOfAttached(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:` + strings.Repeat("a", 64) + `"}]}`))
	f.Add([]byte(`{"manifests":[{}]}`))
	f.Add([]byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := listOf(data, "x")
		if err != nil {
			return
		}
		if len(all) > maxAttached+1 {
			t.Errorf("%d artifacts", len(all))
		}
		for _, d := range all {
			if len(d.Digest.Hex) != 64 {
				t.Errorf("digest %s", d.Digest)
			}
		}
	})
}
