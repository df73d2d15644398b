package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// inPodman puts the image into a store of podman's.
func inPodman(t *testing.T, m *machine, img imagetest.Image) string {
	t.Helper()
	needPrograms(t, "skopeo")
	dir := short(t)
	conf := m.write("home/storage.conf", "[storage]\ndriver = \"overlay\"\ngraphroot = \""+dir+"/graph\"\nrunroot = \""+dir+"/run\"\n")
	m.env = append(m.env, "CONTAINERS_STORAGE_CONF="+conf)
	mustRun(t, "unshare", "--mount", "--propagation", "slave", "skopeo", "--insecure-policy", "copy", "-q", "oci-archive:"+ociArchive(t, img),
		"containers-storage:[overlay@"+dir+"/graph+"+dir+"/run]"+onceNamed)
	return "containers-storage:" + onceNamed
}

// inContainerd puts it into a containerd of its own.
func inContainerd(t *testing.T, m *machine, img imagetest.Image) string {
	t.Helper()
	needPrograms(t, "containerd", "ctr")
	dir := short(t)
	conf := m.write("home/containerd.toml", "version = 2\nroot = \""+dir+"/root\"\nstate = \""+dir+"/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \""+dir+"/s\"\n")
	daemon(t, nil, listening("unix", dir+"/s"), "containerd", "--config", conf)
	mustRun(t, "ctr", "--address", dir+"/s", "-n", "default", "images", "import", "--no-unpack", ociArchive(t, img))
	m.env = append(m.env, "CONTAINERD_ADDRESS="+dir+"/s")
	return "containerd:" + onceNamed
}

// inDocker puts it into a dockerd of its own, which changes nothing of the
// host's network.
func inDocker(t *testing.T, m *machine, img imagetest.Image) string {
	t.Helper()
	needPrograms(t, "dockerd", "containerd", "skopeo")
	dir := short(t)
	conf := m.write("home/daemon.json", "{}")
	daemon(t, nil, listening("unix", dir+"/s"), "dockerd", "--data-root", dir+"/root", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"-H", "unix://"+dir+"/s", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none", "--storage-driver", "vfs", "--config-file", conf)
	mustRun(t, "skopeo", "--insecure-policy", "copy", "-q", "--dest-daemon-host", "unix://"+dir+"/s", "oci-archive:"+ociArchive(t, img), "docker-daemon:acme/app:1")
	m.env = append(m.env, "DOCKER_HOST=unix://"+dir+"/s")
	return "docker-daemon:acme/app:1"
}

// short is a directory whose path leaves room for a socket's name.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine")
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// listening tells when a server can be spoken to.
func listening(network, address string) func() bool {
	return func() bool {
		c, err := net.Dial(network, address)
		if err != nil {
			return false
		}
		c.Close()
		return true
	}
}

// inRegistry puts it into a docker-registry without TLS.
func inRegistry(t *testing.T, _ *machine, img imagetest.Image) string {
	t.Helper()
	host := dockerRegistry(t, "")
	push(t, host, img, &http.Transport{}, authn.Anonymous)
	return "docker://" + host + "/acme/app:1"
}

// The password of the guarded registry, and its line of an htpasswd file.
const (
	password = "open sesame"
	htpasswd = "app:$2a$05$hd1FNGHzdxa2FOK6jheDkuc6T1IFTQhS/fPbYEcHgpUdcGyUKHvEK\n"
)

// inGuardedRegistry puts it into a docker-registry with a certificate of its
// own authority and a password, without which it is not to be had.
func inGuardedRegistry(t *testing.T, m *machine, img imagetest.Image) string {
	t.Helper()
	cert, key, pool := certificate(t, m)
	users := m.write("home/htpasswd", htpasswd)
	host := dockerRegistry(t, "  tls: {certificate: "+cert+", key: "+key+"}\nauth: {htpasswd: {realm: test, path: "+users+"}}\n")
	push(t, host, img, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, &authn.Basic{Username: "app", Password: password})
	image := "docker://" + host + "/acme/app:1"

	refused(t, m.run(image), "an unknown authority", host, "certificate")
	text, err := os.ReadFile(cert)
	must(t, err)
	m.write("home/.config/containers/certs.d/"+host+"/ca.crt", string(text))
	refused(t, m.run(image), "no password", host)
	login := func(secret string) string {
		return `{"auths":{"` + host + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("app:"+secret)) + `"}}}`
	}
	m.env = append(m.env, "REGISTRY_AUTH_FILE="+m.write("home/auth.json", login("wrong sesame")))
	r := m.run(image)
	refused(t, r, "a wrong password", host)
	if strings.Contains(r.err, "sesame") {
		t.Errorf("the password is shown:\n%s", r.err)
	}
	m.write("home/auth.json", login(password))
	return image
}

// dockerRegistry runs docker-registry; more is configuration, of its http
// section first.
func dockerRegistry(t *testing.T, more string) string {
	t.Helper()
	needPrograms(t, "docker-registry")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	host := l.Addr().String()
	must(t, l.Close())
	file := filepath.Join(t.TempDir(), "config.yml")
	text := "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: " + t.TempDir() + "}}\nhttp:\n  addr: " + host + "\n" + more
	must(t, os.WriteFile(file, []byte(text), 0o600))
	daemon(t, []string{"OTEL_TRACES_EXPORTER=none"}, listening("tcp", host), "docker-registry", "serve", file)
	return host
}

func push(t *testing.T, host string, img imagetest.Image, transport *http.Transport, who authn.Authenticator) {
	t.Helper()
	defer transport.CloseIdleConnections()
	made, err := img.Build()
	must(t, err)
	ref, err := name.ParseReference(host + "/acme/app:1")
	must(t, err)
	must(t, remote.Write(ref, made, remote.WithTransport(transport), remote.WithAuth(who)))
}

// certificate makes one for 127.0.0.1 that is signed by itself, and gives its
// files.
func certificate(t *testing.T, m *machine) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return m.write("home/tls.crt", string(text)),
		m.write("home/tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))), pool
}
