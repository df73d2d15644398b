package source

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"go.podman.io/image/v5/pkg/tlsclientconfig"
	"go.podman.io/image/v5/types"
	"golang.org/x/net/http/httpproxy"

	"github.com/safe-run/safe-run/spec/problem"
)

// registries is how registries are reached from this machine. The zero times
// are not useful; onThisMachine has the right ones.
type registries struct {
	sys     *types.SystemContext // where the configuration is
	connect connector
	proxy   func(*url.URL) (*url.URL, error)
	idle    time.Duration // without progress a server is given up
	pause   time.Duration // before the first repetition; it doubles
}

// onThisMachine reads the environment.
func onThisMachine() *registries {
	return &registries{
		sys:     &types.SystemContext{AuthFilePath: os.Getenv("REGISTRY_AUTH_FILE")},
		connect: connect,
		proxy:   httpproxy.FromEnvironment().ProxyFunc(),
		idle:    60 * time.Second,
		pause:   250 * time.Millisecond,
	}
}

// maxHeaders bounds the headers of one answer in bytes.
const maxHeaders = 64 << 10

// newTransport makes the connections to one registry and to where it leads.
// host is what the user's configuration calls it.
func (r *registries) newTransport(host string, g *guard, insecure bool) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure}
	dir, err := r.certificates(host)
	if err == nil && dir != "" {
		err = tlsclientconfig.SetupCertificates(dir, config)
	}
	if err != nil {
		return nil, problem.New("mend the files in that directory; containers-certs.d(5) says what they are", "the certificates for registry %s: %w", host, err)
	}
	return &http.Transport{
		DialContext:            g.dial,
		Proxy:                  g.throughProxy,
		TLSClientConfig:        config,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // blobs are taken as they are stored
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: maxHeaders,
		ReadBufferSize:         64 << 10,
	}, nil
}

// certificates finds the first directory of certs.d that is there for host, as
// podman and docker do; empty when none is.
func (r *registries) certificates(host string) (string, error) {
	if r.sys.DockerPerHostCertDirPath != "" {
		return filepath.Join(r.sys.DockerPerHostCertDirPath, host), nil
	}
	var dirs []string
	if config, err := os.UserConfigDir(); err == nil {
		dirs = append(dirs, filepath.Join(config, "containers/certs.d"))
	}
	dirs = append(dirs, "/etc/containers/certs.d", "/usr/share/containers/certs.d", "/etc/docker/certs.d")
	for _, dir := range dirs {
		dir = filepath.Join(dir, host)
		switch _, err := os.Stat(dir); {
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", err
		}
	}
	return "", nil
}

// maxRedirects bounds how often one request is sent on.
const maxRedirects = 5

// followRedirect decides whether a request is sent on. Where its host is, is
// decided when the connection is made.
func followRedirect(req *http.Request, via []*http.Request) error {
	from := via[len(via)-1]
	req.Header.Del("Referer")
	switch {
	case len(via) > maxRedirects:
		return problem.New("the registry is misconfigured or hostile", "it redirects more than %d times", maxRedirects)
	case req.URL.Scheme != "https" && (req.URL.Scheme != "http" || from.URL.Scheme != "http"):
		return problem.New("the registry is misconfigured or hostile", "it redirects from %s to %q", from.URL.Scheme, oneLine(req.URL.Scheme))
	case req.URL.User != nil:
		return problem.New("the registry is misconfigured or hostile", "it redirects to a URL with a user in it")
	}
	return nil
}

// stayHome refuses every redirect to another host: what carries a password
// goes to one place.
func stayHome(req *http.Request, via []*http.Request) error {
	if req.URL.Host != via[0].URL.Host {
		return problem.New("the registry is misconfigured or hostile", "its token service redirects to another host, %s", oneLine(req.URL.Host))
	}
	return followRedirect(req, via)
}

// isThisMachine matches the names that this machine has for itself.
func isThisMachine(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return isLocalhost(name) || err == nil && a.Unmap().IsLoopback()
}

// userAgent says who asks.
var userAgent = sync.OnceValue(func() string {
	version := "development"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return "safe-run/" + version
})
