// Package kubernetes asks a kube-apiserver about what is exported for Kubernetes.
// It builds none: make test-kubernetes does, and says where it is.
package kubernetes

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// variable names the directory of a kube-apiserver.
const variable = "SAFE_RUN_KUBERNETES"

// patience is for a machine that does other things as well.
const patience = 5 * time.Minute

// server is a kube-apiserver with an etcd, on this machine's loopback alone.
type server struct {
	url    string
	client *http.Client
}

const token = "of-the-test"

// started starts them, and skips where there are none.
func started(t *testing.T) *server {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		t.Skip("NOT CHECKED: what a kube-apiserver says of exports; make test-kubernetes builds one")
	}
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("NOT CHECKED: what a kube-apiserver says of exports; there is no etcd (etcd-server)")
	}
	tmp := t.TempDir()
	client, peer, secure := freePort(t), freePort(t), freePort(t)
	run(t, filepath.Join(tmp, "etcd.log"), etcd, "--data-dir", filepath.Join(tmp, "etcd"), "--name", "one",
		"--listen-client-urls", client.http(), "--advertise-client-urls", client.http(),
		"--listen-peer-urls", peer.http(), "--initial-advertise-peer-urls", peer.http(), "--initial-cluster", "one="+peer.http())
	key := filepath.Join(tmp, "sa.key")
	if out, err := exec.Command("openssl", "genrsa", "-out", key, "2048").CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	tokens := filepath.Join(tmp, "tokens.csv")
	if err := os.WriteFile(tokens, []byte(token+",admin,admin,system:masters\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(tmp, "kube-apiserver.log")
	run(t, log, filepath.Join(dir, "kube-apiserver"),
		"--etcd-servers", client.http(), "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", fmt.Sprint(int(secure)),
		"--cert-dir", filepath.Join(tmp, "certs"), "--endpoint-reconciler-type", "none", "--service-cluster-ip-range", "10.96.0.0/16",
		"--service-account-issuer", "https://127.0.0.1", "--service-account-key-file", key, "--service-account-signing-key-file", key,
		"--token-auth-file", tokens, "--authorization-mode", "RBAC",
		// No controller makes the accounts that this one asks for.
		"--disable-admission-plugins", "ServiceAccount")
	s := &server{url: fmt.Sprintf("https://127.0.0.1:%d", secure)}
	s.wait(t, filepath.Join(tmp, "certs", "apiserver.crt"), log)
	return s
}

type port int

func (p port) http() string { return fmt.Sprintf("http://127.0.0.1:%d", p) }

func freePort(t *testing.T) port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return port(l.Addr().(*net.TCPAddr).Port)
}

// run starts a program that ends with the test, or with whoever runs it.
func run(t *testing.T, log, program string, args ...string) {
	t.Helper()
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// wait waits until the server is ready, and trusts the certificate that it made.
func (s *server) wait(t *testing.T, cert, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if pem, err := os.ReadFile(cert); err == nil && s.client == nil {
			pool := x509.NewCertPool()
			if pool.AppendCertsFromPEM(pem) {
				s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
			}
		}
		if s.client != nil {
			if code, _ := s.ask(t, http.MethodGet, "/readyz", nil); code == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(log)
			t.Fatalf("kube-apiserver is not ready:\n%s", said[max(0, len(said)-4000):])
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// ask makes a request; 0 where there is no answer.
func (s *server) ask(t *testing.T, method, path string, body []byte) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/yaml")
	req.Header.Set("Accept", "application/json")
	answer, err := s.client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	data, _ := io.ReadAll(answer.Body)
	var status struct{ Kind, Message string }
	if json.Unmarshal(data, &status) == nil && status.Kind == "Status" {
		return answer.StatusCode, status.Message
	}
	return answer.StatusCode, string(data)
}

// places are where objects of a kind are.
var places = map[string]string{
	"Namespace": "/api/v1/namespaces", "Pod": "/api/v1/namespaces/NS/pods", "Service": "/api/v1/namespaces/NS/services",
	"Deployment": "/apis/apps/v1/namespaces/NS/deployments", "StatefulSet": "/apis/apps/v1/namespaces/NS/statefulsets",
	"DaemonSet": "/apis/apps/v1/namespaces/NS/daemonsets", "Job": "/apis/batch/v1/namespaces/NS/jobs", "CronJob": "/apis/batch/v1/namespaces/NS/cronjobs",
	"NetworkPolicy":                    "/apis/networking.k8s.io/v1/namespaces/NS/networkpolicies",
	"PodDisruptionBudget":              "/apis/policy/v1/namespaces/NS/poddisruptionbudgets",
	"ValidatingAdmissionPolicy":        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
	"ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}

// create makes an object. Fields that the server does not know are refused.
func (s *server) create(t *testing.T, kind, ns string, manifest []byte) (int, string) {
	t.Helper()
	at := places[kind]
	if at == "" {
		at = custom[kind]
	}
	return s.ask(t, http.MethodPost, strings.Replace(at, "NS", ns, 1)+"?fieldValidation=Strict", manifest)
}
