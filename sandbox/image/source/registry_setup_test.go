package source

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	gcrregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	containers "go.podman.io/image/v5/types"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

const testArch = "amd64"

// network is a small internet: names have addresses of any kind, and whatever
// the address, the connection goes to a server of the test.
type network struct {
	t     *testing.T
	r     *registries
	dir   string
	mu    sync.Mutex
	names map[string]at // by host:port
	notes []string
}

type at struct {
	address string // what the name resolves to
	server  string // host:port on this machine
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, dir: t.TempDir(), names: map[string]at{}}
	n.r = &registries{
		sys: &containers.SystemContext{
			SystemRegistriesConfPath:    filepath.Join(n.dir, "registries.conf"),
			SystemRegistriesConfDirPath: filepath.Join(n.dir, "registries.conf.d"),
			UserShortNameAliasConfPath:  filepath.Join(n.dir, "aliases.conf"),
			DockerPerHostCertDirPath:    filepath.Join(n.dir, "certs.d"),
			AuthFilePath:                filepath.Join(n.dir, "auth.json"),
		},
		connect: n.connect,
		proxy:   func(*url.URL) (*url.URL, error) { return nil, nil },
		idle:    2 * time.Second,
		pause:   time.Millisecond,
	}
	n.write("registries.conf", "")
	return n
}

// write writes a file of the configuration.
func (n *network) write(name, content string) {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// connect looks a name up among the names of the test.
func (n *network) connect(ctx context.Context, addr string, allow func(netip.Addr) error) (net.Conn, netip.Addr, error) {
	n.mu.Lock()
	to, known := n.names[addr]
	n.mu.Unlock()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	if !known {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return nil, netip.Addr{}, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		to = at{a.String(), addr}
	}
	a := netip.MustParseAddr(to.address)
	if err := allow(a); err != nil {
		return nil, a, err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.server)
	return c, a, err
}

// serve starts a server with TLS that is reached as name, which resolves to
// address, on the port it gives back.
func (n *network) serve(name, address string, h http.Handler) (host string) {
	n.t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet
	s.StartTLS()
	n.t.Cleanup(s.Close)
	host = n.add(name, address, s)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	n.write("certs.d/"+host+"/ca.crt", string(ca))
	return host
}

// quiet keeps what servers say of broken connections out of the test's output.
var quiet = log.New(io.Discard, "", 0)

// trust makes the certificate of one server known for another, which it
// redirects to. All of httptest's are the same.
func (n *network) trust(host, other string) {
	n.t.Helper()
	ca, err := os.ReadFile(filepath.Join(n.dir, "certs.d", other, "ca.crt"))
	if err != nil {
		n.t.Fatal(err)
	}
	n.write("certs.d/"+host+"/other.crt", string(ca))
}

// servePlain is serve without TLS.
func (n *network) servePlain(name, address string, h http.Handler) (host string) {
	n.t.Helper()
	s := httptest.NewServer(h)
	n.t.Cleanup(s.Close)
	return n.add(name, address, s)
}

func (n *network) add(name, address string, s *httptest.Server) string {
	server := s.Listener.Addr().String()
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		n.t.Fatal(err)
	}
	host := net.JoinHostPort(name, port)
	n.mu.Lock()
	n.names[host] = at{address, server}
	n.mu.Unlock()
	return host
}

// The names that httptest's certificate is for are those of example.com.
const (
	someHost    = "registry.example.com"
	someAddress = "203.0.113.7"
)

func (n *network) options() Options {
	return Options{Arch: testArch, Limits: bounds.Default, Note: func(s string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.notes = append(n.notes, s)
	}}
}

// find finds name and closes it with the test.
func (n *network) find(name string) (*Image, error) {
	n.t.Helper()
	full, err := fullName(name)
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(n.t.Context(), 20*time.Second)
	n.t.Cleanup(cancel)
	i, err := n.r.find(ctx, full, n.options())
	if err == nil {
		n.t.Cleanup(func() { i.Close() })
	}
	return i, err
}

func (n *network) mustFind(name string) *Image {
	n.t.Helper()
	i, err := n.find(name)
	if err != nil {
		n.t.Fatal(err)
	}
	return i
}

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
