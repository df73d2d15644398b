package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// signer is a key pair whose public half is in a file.
type signer struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	public string
}

func newSigner(t *testing.T) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cosign.pub")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return signer{t, key, path}
}

func (s signer) sign(message []byte) string {
	s.t.Helper()
	sum := sha256.Sum256(message)
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		s.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(signature)
}

// envelope signs an in-toto statement (DSSE).
func (s signer) envelope(statement []byte) map[string]any {
	const kind = "application/vnd.in-toto+json"
	signed := fmt.Sprintf("DSSEv1 %d %s %d %s", len(kind), kind, len(statement), statement)
	return map[string]any{
		"payloadType": kind, "payload": statement,
		"signatures": []map[string]any{{"sig": s.sign([]byte(signed))}},
	}
}

// The predicate types of cosign.
const (
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
	vulnPredicate = "https://cosign.sigstore.dev/attestation/vuln/v1"
)

// statement is an in-toto statement about a digest.
func statement(t *testing.T, kind string, digest v1.Hash, predicate any) []byte {
	return encode(t, map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": kind, "predicate": predicate,
		"subject": []map[string]any{{"digest": map[string]string{"sha256": digest.Hex}}},
	})
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// legacy puts a signature where cosign did before version 3: in an image of its
// own at the tag sha256-<hex>.sig of the image that it is beside, with what was
// signed as a layer.
func (s signer) legacy(h *hub, repository string, beside, digest v1.Hash) {
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
	s.beside(h, repository+":"+strings.Replace(beside.String(), ":", "-", 1)+".sig", mutate.Addendum{
		Layer:       static.NewLayer(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": s.sign(payload)},
	}, nil)
}

// bundle attaches a statement as cosign does now: a bundle that refers to the
// image.
func (s signer) bundle(h *hub, repository string, digest v1.Hash, statement []byte) {
	s.t.Helper()
	const kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
	content := encode(s.t, map[string]any{
		"mediaType":            kind,
		"verificationMaterial": map[string]any{"publicKey": map[string]string{"hint": "key"}},
		"dsseEnvelope":         s.envelope(statement),
	})
	subject := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: h.size(repository, digest)}
	sum := sha256.Sum256(content)
	s.beside(h, fmt.Sprintf("%s:bundle-%x", repository, sum[:8]), mutate.Addendum{Layer: static.NewLayer(content, kind)}, &subject)
}

func (s signer) beside(h *hub, as string, content mutate.Addendum, subject *v1.Descriptor) {
	s.t.Helper()
	kind := types.OCIConfigJSON
	if subject != nil {
		kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
	}
	img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), kind), content)
	if err != nil {
		s.t.Fatal(err)
	}
	if subject != nil {
		img = mutate.Subject(img, *subject).(v1.Image)
	}
	h.push(as, img)
}

// size is that of a manifest.
func (h *hub) size(repository string, digest v1.Hash) int64 {
	h.t.Helper()
	ref, err := name.NewDigest(h.host + "/" + repository + "@" + digest.String())
	if err != nil {
		h.t.Fatal(err)
	}
	d, err := remote.Head(ref, remote.WithTransport(h.client))
	if err != nil {
		h.t.Fatal(err)
	}
	return d.Size
}
