package source

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// secretHash is what htpasswd -B makes of secret.
const secretHash = "$2a$04$bR6KqRecRPp588NjcS9Vk.h.TVVHV93FCKCPLSmhvPqvIpkw3Z8Gy"

// TestDistribution reads from a real registry: docker-registry with TLS by an
// authority of its own, and htpasswd.
func TestDistribution(t *testing.T) {
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("NOT CHECKED against a real registry: docker-registry is not installed")
	}
	n := newNetwork(t)
	n.r.connect = connect // the real one
	n.r.idle = 10 * time.Second
	host, client := n.distribution(program)

	subject := testImage(t, testArch, bytesOf(10), bytesOf(3_000_000))
	push := func(tag string, i v1.Image) {
		ref, err := name.ParseReference(host + "/acme/" + tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, i, remote.WithTransport(client), remote.WithAuth(&authn.Basic{Username: user, Password: secret})); err != nil {
			t.Fatal(err)
		}
	}
	push("app:1", subject)
	push(tagFor(digestOf(t, subject), ".sig"), artifactFor(t, nil, "signature"))

	_, err = n.find(host + "/acme/app:1")
	refuses(t, err, "without logging in")
	n.write("auth.json", login(host, secret))
	_, err = n.find(host + "/acme/app:2")
	refuses(t, err, "there is no "+host+"/acme/app:2")

	found := n.mustFind(host + "/acme/app:1")
	if found.Digest != digestOf(t, subject) {
		t.Errorf("digest %s", found.Digest)
	}
	for _, offset := range []int64{0, 1_234_567} {
		got, err := readLayer(t, found.Layers[1], offset)
		if err != nil || got != bytesOf(3_000_000)[offset:] {
			t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
		}
	}
	all, err := found.Attached(t.Context(), found.Digest)
	if got := contents(all); err != nil || !slices.Equal(got, []string{"tag sha256|signature"}) {
		t.Errorf("attached %q, %v", got, err)
	}
}

// distribution starts program, and gives a client that knows its authority.
func (n *network) distribution(program string) (host string, client http.RoundTripper) {
	t := n.t
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = l.Addr().String()
	l.Close()
	cert, config := n.certificate()
	n.write("certs.d/"+host+"/ca.crt", cert)
	n.write("registry/htpasswd", user+":"+secretHash+"\n")
	dir := filepath.Join(n.dir, "registry")
	n.write("registry/config.yml", fmt.Sprintf(`version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %[1]s/data}}
http: {addr: %[2]s, tls: {certificate: %[1]s/tls.crt, key: %[1]s/tls.key}}
auth: {htpasswd: {realm: here, path: %[1]s/htpasswd}}
`, dir, host))
	var log bytes.Buffer
	cmd := exec.Command(program, "serve", filepath.Join(dir, "config.yml"))
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("docker-registry: %s", log.String())
		}
	})
	client = config
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", host)
		if err == nil {
			c.Close()
			return host, client
		}
		if time.Now().After(deadline) {
			t.Fatalf("docker-registry does not listen: %v", err)
		}
	}
}

// certificate makes one for 127.0.0.1, in registry/tls.crt and tls.key.
func (n *network) certificate() (string, http.RoundTripper) {
	t := n.t
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registry of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	n.write("registry/tls.crt", string(cert))
	n.write("registry/tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(cert) {
		t.Fatal("the certificate is not one")
	}
	client := http.DefaultTransport.(*http.Transport).Clone()
	client.TLSClientConfig = tlsWith(pool)
	client.Proxy = nil
	return strings.TrimSpace(string(cert)) + "\n", client
}
