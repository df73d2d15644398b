package source

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	gcrregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// testRegistry is an empty registry that holds what put puts there.
func testRegistry() http.Handler {
	return gcrregistry.New(gcrregistry.Logger(quiet), gcrregistry.WithReferrersSupport(true))
}

// put pushes straight into a handler.
func put(t *testing.T, h http.Handler, tag string, what remote.Taggable) {
	t.Helper()
	ref, err := name.ParseReference("127.0.0.1:1/"+tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	straight := remote.WithTransport(handlerTransport{h})
	switch x := what.(type) {
	case v1.Image:
		err = remote.Write(ref, x, straight)
	case v1.ImageIndex:
		err = remote.WriteIndex(ref, x, straight)
	default:
		err = remote.Put(ref, x, straight)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// handlerTransport answers requests by a handler.
type handlerTransport struct{ h http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	t.h.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// testImage is an image with one layer for each content.
func testImage(t *testing.T, arch string, contents ...string) v1.Image {
	t.Helper()
	i := v1.Image(empty.Image)
	var err error
	for _, content := range contents {
		if i, err = mutate.AppendLayers(i, static.NewLayer([]byte(content), types.OCIUncompressedLayer)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := i.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", arch
	if i, err = mutate.ConfigFile(i, c); err != nil {
		t.Fatal(err)
	}
	return mutate.ConfigMediaType(mutate.MediaType(i, types.OCIManifestSchema1), types.OCIConfigJSON)
}

func digestOf(t *testing.T, i interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := i.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// readLayer reads a layer from offset on.
func readLayer(t *testing.T, l Layer, offset int64) (string, error) {
	t.Helper()
	r, err := l.Open(t.Context(), offset)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

// refuses fails the test unless err is an error that says want in a line.
func refuses(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r\x1b") {
		t.Errorf("error %q has more than a line", err)
	}
}

// asJSON writes v as a test's answer.
func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// bytesOf is n bytes that do not repeat.
func bytesOf(n int) string {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()[:n]
}

func tlsWith(pool *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: pool} }
