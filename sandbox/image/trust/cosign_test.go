package trust

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/safe-run/safe-run/sandbox/image/source"
)

var update = flag.Bool("update", false, "write testdata/cosign.json anew with the cosign that is installed")

// golden is what cosign kept beside one image, for one key.
type golden struct {
	Kind      string // of key
	PublicKey string
	Manifest  []byte
	Digests   []v1.Hash
	// Attached is by how it was signed: "sign", "sign legacy", "attest",
	// "attest legacy".
	Attached map[string][]source.Attachment
}

const goldens = "testdata/cosign.json"

// TestCosignGoldens verifies what a real cosign signed.
func TestCosignGoldens(t *testing.T) {
	var all []golden
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile(goldens)), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 4 {
		t.Fatalf("%d kinds of key", len(all))
	}
	for _, g := range all {
		verifyGolden(t, g)
	}
}

// verifyGolden wants the signatures to count with the key, and not with
// another one, for another image, or as attestations.
func verifyGolden(t *testing.T, g golden) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cosign.pub")
	if err := os.WriteFile(path, []byte(g.PublicKey), 0o600); err != nil {
		t.Fatal(err)
	}
	other := ecPair(t, "other.pub")
	for how, attached := range g.Attached {
		if len(attached) == 0 {
			t.Errorf("%s, %s: cosign kept nothing", g.Kind, how)
		}
		s := subject()
		s.Manifest, s.Digests = g.Manifest, g.Digests
		s.Attached = func(_ context.Context, d v1.Hash) ([]source.Attachment, error) {
			if d == g.Digests[1] {
				return attached, nil
			}
			return nil, nil
		}
		foreign := subject(attached...)
		_, err := Check(t.Context(), byKeys(path), s)
		statements, attestErr := Attestations(t.Context(), byKeys(path), s, vulnPredicate)
		if strings.HasPrefix(how, "attest") {
			if err == nil || !strings.Contains(err.Error(), "is an attestation (predicate type "+vulnPredicate+"), not a signature") {
				t.Errorf("%s, %s: taken for a signature, or not said: %v", g.Kind, how, err)
			}
			if attestErr != nil || len(statements) != 1 {
				t.Errorf("%s, %s: %v", g.Kind, how, attestErr)
			}
			if _, err := Attestations(t.Context(), byKeys(other.path), s, vulnPredicate); err == nil {
				t.Errorf("%s, %s: by another key", g.Kind, how)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s, %s: %v", g.Kind, how, err)
		}
		if attestErr == nil {
			t.Errorf("%s, %s: taken for an attestation", g.Kind, how)
		}
		if _, err := Check(t.Context(), byKeys(other.path), s); err == nil || !strings.Contains(err.Error(), "another key than other.pub") {
			t.Errorf("%s, %s: another key: %v", g.Kind, how, err)
		}
		if _, err := Check(t.Context(), byKeys(path), foreign); err == nil || !strings.Contains(err.Error(), "is for another digest") {
			t.Errorf("%s, %s: another image: %v", g.Kind, how, err)
		}
	}
}

// TestCosign signs with the cosign that is installed, in every way, and
// verifies it: with cosign's own kind of key, and with every kind when the
// goldens are written, which takes longer.
func TestCosign(t *testing.T) {
	c := findCosign(t)
	kinds := []string{"ECDSA P-256"}
	if *update {
		kinds = append(kinds, "ECDSA P-384", "Ed25519", "RSA")
	}
	var all []golden
	for _, kind := range kinds {
		g := c.golden(t, kind)
		verifyGolden(t, g)
		all = append(all, g)
	}
	if *update {
		data := must[[]byte](t)(json.MarshalIndent(all, "", "\t"))
		if err := os.WriteFile(goldens, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// cosign is the command.
type cosign struct{ path string }

func findCosign(t *testing.T) cosign {
	t.Helper()
	home, _ := os.UserHomeDir()
	if path, err := exec.LookPath("cosign"); err == nil {
		return cosign{path}
	}
	path := filepath.Join(home, ".cache", "safe-run-peers", "cosign")
	if _, err := os.Stat(path); err != nil {
		t.Skip("NOT CHECKED against a live cosign: none is installed; its goldens are")
	}
	return cosign{path}
}

func (c cosign) run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "COSIGN_PASSWORD=", "HOME="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cosign %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// golden signs the index of a small image in each way, each in a repository of
// its own.
func (c cosign) golden(t *testing.T, kind string) golden {
	dir := t.TempDir()
	c.key(t, dir, kind)
	predicate := filepath.Join(dir, "vuln.json")
	if err := os.WriteFile(predicate, []byte(`{"invocation":{},"scanner":{"uri":"x","version":"1","db":{},"result":{}},"metadata":{"scanStartedOn":"2026-01-01T00:00:00Z","scanFinishedOn":"2026-01-01T00:00:00Z"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	g := golden{Kind: kind, PublicKey: string(must[[]byte](t)(os.ReadFile(filepath.Join(dir, "cosign.pub")))), Attached: map[string][]source.Attachment{}}
	img := must[v1.Image](t)(random.Image(16, 1))
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})
	g.Manifest = must[[]byte](t)(img.RawManifest())
	g.Digests = []v1.Hash{must[v1.Hash](t)(img.Digest()), must[v1.Hash](t)(index.Digest())}
	common := []string{"--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry", "-y"}
	for how, args := range map[string][]string{
		"sign":          {"sign"},
		"sign legacy":   {"sign", "--new-bundle-format=false"},
		"attest":        {"attest", "--type", "vuln", "--predicate", predicate},
		"attest legacy": {"attest", "--type", "vuln", "--predicate", predicate, "--new-bundle-format=false"},
	} {
		repository := must[name.Repository](t)(name.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/" + strings.ReplaceAll(how, " ", "-")))
		if err := remote.WriteIndex(repository.Tag("1"), index); err != nil {
			t.Fatal(err)
		}
		at := repository.Digest(g.Digests[1].String())
		c.run(t, dir, append(append(args, common...), at.String())...)
		g.Attached[how] = gather(t, at)
	}
	return g
}

// key makes cosign.key and cosign.pub in dir.
func (c cosign) key(t *testing.T, dir, kind string) {
	t.Helper()
	var private crypto.Signer
	switch kind {
	case "ECDSA P-256":
		c.run(t, dir, "generate-key-pair")
		return
	case "ECDSA P-384":
		private = must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	case "Ed25519":
		_, ed, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		private = ed
	default:
		private = must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	}
	der := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(private))
	if err := os.WriteFile(filepath.Join(dir, "in.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run(t, dir, "import-key-pair", "--key", "in.key", "--output-key-prefix", "cosign")
}

// gather reads what cosign kept beside an image, by its tags and as referrers.
func gather(t *testing.T, at name.Digest) []source.Attachment {
	t.Helper()
	var refs []name.Reference
	prefix := strings.Replace(at.DigestStr(), ":", "-", 1)
	for _, suffix := range []string{".sig", ".att"} {
		if tag := at.Tag(prefix + suffix); exists(tag) {
			refs = append(refs, tag)
		}
	}
	referrers := must[v1.ImageIndex](t)(remote.Referrers(at))
	for _, m := range must[*v1.IndexManifest](t)(referrers.IndexManifest()).Manifests {
		refs = append(refs, at.Digest(m.Digest.String()))
	}
	var out []source.Attachment
	for _, ref := range refs {
		img := must[v1.Image](t)(remote.Image(ref))
		m := must[*v1.Manifest](t)(img.Manifest())
		a := source.Attachment{Digest: must[v1.Hash](t)(img.Digest()), ArtifactType: string(m.Config.MediaType), Annotations: m.Annotations, From: ref.Identifier()}
		for _, l := range m.Layers {
			layer := must[v1.Layer](t)(img.LayerByDigest(l.Digest))
			r := must[io.ReadCloser](t)(layer.Compressed())
			a.Blobs = append(a.Blobs, source.Blob{MediaType: string(l.MediaType), Annotations: l.Annotations, Data: must[[]byte](t)(io.ReadAll(r))})
			r.Close()
		}
		out = append(out, a)
	}
	return out
}

func exists(ref name.Reference) bool {
	_, err := remote.Head(ref)
	return err == nil
}
