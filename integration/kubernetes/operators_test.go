package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/kubernetes"
)

// custom are where objects of operators' kinds are.
var custom = map[string]string{
	"CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
	"ClusterPolicy":            "/apis/kyverno.io/v1/clusterpolicies",
	"ImageValidatingPolicy":    "/apis/policies.kyverno.io/v1/imagevalidatingpolicies",
}

// operatorsTypes: with the types that operators bring to a cluster, the API server
// takes what is exported for them, and not with a field misspelt.
func operatorsTypes(t *testing.T, s *server) {
	files, _ := filepath.Glob(filepath.Join(os.Getenv(variable), "crds", "*", "*.yaml"))
	if len(files) == 0 {
		t.Skip("NOT CHECKED: what Kyverno's types say of exports; integration/kubernetes/build.sh fetches them")
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if code, said := s.create(t, "CustomResourceDefinition", "", data); code != http.StatusCreated {
			t.Fatalf("%s: %d %.400s", path, code, said)
		}
	}
	for _, name := range builtin.Names() {
		takenAndNot(t, s, signed(t, resolved(t, name), name))
	}
}

// signed are the policies of a profile that wants every image signed by a key or an
// identity.
func signed(t *testing.T, p profiles.Profile, ns string) []export.File {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	p.Image.Signatures = []profiles.Signature{
		{Name: "release", Keys: []string{"/keys/release.pub"}, Why: "ours"},
		{Name: "build", TrustRoot: "/etc/safe-run/trusted_root.json", Keyless: []profiles.Identity{{Issuer: "https://token.actions.example", SubjectRegExp: "https://example/.*"}}, Why: "built there"},
	}
	result, err := kubernetes.Export(export.Input{
		Profile: p, Name: "shop", Image: export.Image{Reference: "ghcr.io/acme/shop:1.2", Digest: "sha256:" + strings.Repeat("01", 32), Config: true, User: "1000:1000"},
	}, kubernetes.Options{
		Namespace: ns, Parts: []string{"kyverno"},
		Keys: map[string]string{"/keys/release.pub": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return result.Files
}

func takenAndNot(t *testing.T, s *server, files []export.File) {
	t.Helper()
	taken := 0
	for _, f := range files {
		var head struct{ Kind string }
		if err := yaml.Unmarshal(f.Data, &head); err != nil || custom[head.Kind] == "" {
			continue
		}
		taken++
		code, said := s.create(t, head.Kind, "", f.Data)
		for end := time.Now().Add(patience); code == http.StatusNotFound && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			code, said = s.create(t, head.Kind, "", f.Data) // a type is served a moment after it is there
		}
		if code != http.StatusCreated {
			t.Errorf("%s: %d %s\n%s", f.Path, code, said, f.Data)
		}
		for _, field := range []string{"expression:", "failureAction:", "matchImageReferences:", "attestors:"} {
			text := string(f.Data)
			if !strings.Contains(text, " "+field) {
				continue
			}
			other := strings.Replace(text, " "+field, " x"+field, 1)
			other = strings.Replace(other, "name: safe-run-", "name: other-", 1)
			if code, said := s.create(t, head.Kind, "", []byte(other)); code == http.StatusCreated {
				t.Errorf("%s: misspelt %s is taken: %d %s", f.Path, field, code, said)
			}
		}
	}
	if taken != 2 {
		t.Errorf("%d policies", taken)
	}
}
