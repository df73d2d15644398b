package source

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

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
	http2 bool          // servers with TLS speak it
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
	s.EnableHTTP2 = n.http2
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
