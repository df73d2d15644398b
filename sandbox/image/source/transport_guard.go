package source

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/safe-run/safe-run/spec/problem"
)

// guard decides which addresses one registry may lead us to: public ones, and
// those of the kind that the registry itself was reached at. So a registry on
// the internet cannot make us ask a server of the inner network, and one whose
// name changes its address cannot either.
type guard struct {
	own     map[string]bool // the registry's host:port
	connect connector
	proxy   func(*url.URL) (*url.URL, error)

	mu      sync.Mutex
	reached kind // of the registry's address; nowhere until it was reached
	proxies map[string]bool
}

func newGuard(host string, r *registries) *guard {
	g := &guard{own: map[string]bool{}, connect: r.connect, proxy: r.proxy, proxies: map[string]bool{}}
	if name, port, err := net.SplitHostPort(host); err == nil {
		g.own[net.JoinHostPort(name, port)] = true
		return g
	}
	for _, port := range []string{"443", "80"} {
		g.own[net.JoinHostPort(strings.Trim(host, "[]"), port)] = true
	}
	return g
}

func (g *guard) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	c, at, err := g.connect(ctx, addr, func(a netip.Addr) error { return g.allow(addr, a) })
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.own[addr] && g.reached == nowhere {
		g.reached = kindOf(at)
	}
	return c, nil
}

// at is the kind of address that the registry was reached at.
func (g *guard) at() kind {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reached
}

// allow refuses an address that the registry has no business with.
func (g *guard) allow(addr string, a netip.Addr) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := kindOf(a)
	switch {
	case g.proxies[addr]: // the user's own
		return nil
	case k == metadata: // no registry is there, whatever its name
		return ledAstray(addr, k)
	case g.own[addr] && g.reached == nowhere: // the user named it
		return nil
	case k == g.reached && k != nowhere:
		return nil
	case k == public && !g.own[addr]:
		return nil
	}
	return ledAstray(addr, k)
}

// throughProxy is the proxy for a request. A proxy resolves names itself, so
// that only addresses written out can be checked here; the proxy is trusted
// with the rest.
func (g *guard) throughProxy(req *http.Request) (*url.URL, error) {
	proxy, err := g.proxy(req.URL)
	if err != nil || proxy == nil {
		return nil, err
	}
	addr := addressOf(req.URL)
	if !g.own[addr] {
		name := req.URL.Hostname()
		if a, err := netip.ParseAddr(name); err == nil && kindOf(a) != public {
			return nil, ledAstray(addr, kindOf(a))
		}
		if isLocalhost(name) {
			return nil, ledAstray(addr, loopback)
		}
	}
	g.mu.Lock()
	g.proxies[addressOf(proxy)] = true
	g.mu.Unlock()
	return proxy, nil
}

func ledAstray(addr string, k kind) error {
	return problem.New("the registry is misconfigured or hostile; pull from another one",
		"it leads to %s, %s address, which it has no business with", oneLine(addr), kindNames[k])
}

func isLocalhost(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// addressOf gives the host:port of a URL.
func addressOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
