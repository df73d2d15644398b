package source

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http/httpproxy"
)

func TestKindsOfAddresses(t *testing.T) {
	tests := []struct {
		addresses string
		want      kind
	}{
		{"1.1.1.1 203.0.113.7 2606:4700::1111 64:ff9b::101:101 2002:101:101::1", public},
		{"10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 fd00::1 fec0::1 64:ff9b::a00:1 2002:a00:1::", private},
		{"127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b:1::7f00:1", loopback},
		{"169.254.1.1 fe80::1 fe80::1%eth0", linkLocal},
		{"169.254.169.254 ::ffff:169.254.169.254 169.254.170.2 fd00:ec2::254 100.100.100.200 64:ff9b::a9fe:a9fe", metadata},
		{"0.0.0.0 0.1.2.3 :: 224.0.0.1 239.1.1.1 255.255.255.255 240.0.0.1 ff02::1 ::ffff:0.0.0.0", nowhere},
	}
	for _, test := range tests {
		for _, a := range strings.Fields(test.addresses) {
			if got := kindOf(netip.MustParseAddr(a)); got != test.want {
				t.Errorf("%s is %s address, want %s", a, kindNames[got], kindNames[test.want])
			}
		}
	}
	if got := kindOf(netip.Addr{}); got != nowhere {
		t.Errorf("no address is %s address", kindNames[got])
	}
}

// TestConnect: the real dialer asks about the address, not about the name.
func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var asked []netip.Addr
	c, at, err := connect(t.Context(), "localhost:"+port, func(a netip.Addr) error {
		asked = append(asked, a)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if kindOf(at) != loopback || len(asked) == 0 || kindOf(asked[0]) != loopback {
		t.Errorf("at %s, asked about %s", at, asked)
	}
	no := errors.New("no")
	if _, _, err := connect(t.Context(), "localhost:"+port, func(netip.Addr) error { return no }); !errors.Is(err, no) {
		t.Errorf("error %v", err)
	}
}

// TestProxy: requests go through the user's proxy, wherever it is; what is
// written out as an inner address does not.
func TestProxy(t *testing.T) {
	n := newNetwork(t)
	h := testRegistry()
	put(t, h, "app:1", testImage(t, testArch, "content"))
	to := ""
	host := n.serve(someHost, someAddress, tampered(h, "/blobs/", func(w http.ResponseWriter, r *http.Request) {
		if to == "" {
			h.ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	}))
	var tunnels []string
	proxy := n.servePlain("proxy.local", "10.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnels = append(tunnels, r.Host)
		if r.Method != http.MethodConnect || r.Host != host {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		tunnel(t, w, n.names[host].server)
	}))
	config := httpproxy.Config{HTTPSProxy: "http://" + proxy}
	n.r.proxy = config.ProxyFunc()
	n.mustFind(host + "/app:1")
	if len(tunnels) != 1 {
		t.Errorf("tunnels %q", tunnels)
	}
	for _, to = range []string{"https://10.0.0.9/x", "https://169.254.169.254/x", "https://[::ffff:7f00:1]/x", "https://svc.localhost/x"} {
		_, err := n.find(host + "/app:1")
		refuses(t, err, "which it has no business with")
	}
	if strings.Contains(strings.Join(tunnels, " "), "169.254") {
		t.Errorf("tunnels %q", tunnels)
	}
}

// tunnel joins a connection with a server.
func tunnel(t *testing.T, w http.ResponseWriter, server string) {
	up, err := net.Dial("tcp", server)
	if err != nil {
		t.Error(err)
		return
	}
	down, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { defer up.Close(); _, _ = io.Copy(up, down) }()
	go func() { defer down.Close(); _, _ = io.Copy(down, up) }()
}

func TestProxyOfTheEnvironment(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	t.Setenv("NO_PROXY", "inner.example")
	r := onThisMachine()
	for host, want := range map[string]string{"registry.example": "proxy.example:3128", "inner.example": "", "127.0.0.1": ""} {
		got, err := r.proxy(&url.URL{Scheme: "https", Host: host})
		if err != nil || (got == nil) != (want == "") || got != nil && got.Host != want {
			t.Errorf("%s: %v, %v", host, got, err)
		}
	}
}

// TestClientCertificate: certs.d has the certificate that the registry asks for.
func TestClientCertificate(t *testing.T) {
	n := newNetwork(t)
	h := testRegistry()
	put(t, h, "app:1", testImage(t, testArch, "content"))
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	host := n.add(someHost, someAddress, s)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	n.write("certs.d/"+host+"/ca.crt", string(cert))
	_, err := n.find(host + "/app:1")
	refuses(t, err, "registry "+host)

	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	n.write("certs.d/"+host+"/client.cert", string(cert))
	_, err = n.find(host + "/app:1")
	refuses(t, err, "the certificates for registry "+host, "missing key")
	n.write("certs.d/"+host+"/client.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	n.mustFind(host + "/app:1")
}

// TestCertificatesOfTheUser: a directory of the user counts before those of the
// machine.
func TestCertificatesOfTheUser(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	r := onThisMachine()
	dir := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "containers/certs.d/registry.example:5000")
	if got, err := r.certificates("registry.example:5000"); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := r.certificates("registry.example:5000"); got != dir || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("REGISTRY_AUTH_FILE", "/somewhere/auth.json")
	if got := onThisMachine().sys.AuthFilePath; got != "/somewhere/auth.json" {
		t.Errorf("auth file %q", got)
	}
}

func TestUserAgent(t *testing.T) {
	n := newNetwork(t)
	h := testRegistry()
	put(t, h, "app:1", testImage(t, testArch, "content"))
	var agents []string
	host := n.serve(someHost, someAddress, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agents = append(agents, r.UserAgent())
		h.ServeHTTP(w, r)
	}))
	n.mustFind(host + "/app:1")
	for _, agent := range agents {
		if !strings.HasPrefix(agent, "safe-run/") {
			t.Errorf("User-Agent %q", agent)
		}
	}
}
