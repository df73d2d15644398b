package trust

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func hashOf(data []byte) v1.Hash {
	sum := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// manifest is the image's, index that which led to it, other some other
// image's.
var (
	theManifest   = []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`)
	theDigest     = hashOf(theManifest)
	theIndex      = hashOf([]byte("index"))
	anotherDigest = hashOf([]byte("another"))
)

// subject is the image with these things beside its manifest.
func subject(attached ...source.Attachment) Subject {
	return Subject{
		Reference: "docker://ghcr.io/acme/app:1", Transport: "docker", Repository: "ghcr.io/acme/app",
		Digests: []v1.Hash{theDigest, theIndex}, Manifest: theManifest, PolicyFiles: []string{},
		Attached: func(_ context.Context, d v1.Hash) ([]source.Attachment, error) {
			if d == theDigest {
				return attached, nil
			}
			return nil, nil
		},
	}
}

// beside is an attachment of one blob.
func beside(b source.Blob) source.Attachment {
	return source.Attachment{Digest: hashOf(append([]byte(fmt.Sprint(b.Annotations)), b.Data...)), ArtifactType: b.MediaType, Blobs: []source.Blob{b}, From: "referrers"}
}

// pair is a key pair whose public half is in a file.
type pair struct {
	signer signature.Signer
	path   string
}

func newPair(t testing.TB, name string, private crypto.Signer, hash crypto.Hash) pair {
	t.Helper()
	signer := must[signature.Signer](t)(signature.LoadSigner(private, hash))
	return pair{signer: signer, path: writePublic(t, name, private.Public())}
}

func writePublic(t testing.TB, name string, public crypto.PublicKey) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	text := must[[]byte](t)(cryptoutils.MarshalPublicKeyToPEM(public))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func ecPair(t testing.TB, name string) pair {
	return newPair(t, name, must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), crypto.SHA256)
}

// everyPair is a pair of each kind of key that counts.
func everyPair(t testing.TB) map[string]pair {
	p384 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]pair{
		"ECDSA P-256":              ecPair(t, "p256.pub"),
		"ECDSA P-384 with SHA-384": newPair(t, "p384.pub", p384, crypto.SHA384),
		"ECDSA P-384 with SHA-256": newPair(t, "p384.pub", p384, crypto.SHA256),
		"Ed25519":                  newPair(t, "ed.pub", ed, crypto.SHA512),
		"RSA":                      newPair(t, "rsa.pub", must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)), crypto.SHA256),
	}
}

func (p pair) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	return must[[]byte](t)(p.signer.SignMessage(bytes.NewReader(message)))
}

// simplePayload is what cosign signs in its older format.
func simplePayload(kind string, d v1.Hash) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"ghcr.io/acme/app"},"image":{"docker-manifest-digest":%q},"type":%q},"optional":null}`, d, kind)
}

// legacy is a signature in the older format.
func (p pair) legacy(t testing.TB, payload []byte) source.Blob {
	return source.Blob{MediaType: simpleMediaType, Data: payload, Annotations: map[string]string{
		signatureAnnotation: base64.StdEncoding.EncodeToString(p.sign(t, payload)),
	}}
}

// statement is an in-toto statement about a digest.
func statement(predicateType string, d v1.Hash) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":%q,"predicate":{"scanner":{"result":"clean"}}}`, d.Hex, predicateType)
}

func (p pair) envelope(t testing.TB, payload []byte) *protodsse.Envelope {
	return &protodsse.Envelope{
		Payload: payload, PayloadType: intotoMediaType,
		Signatures: []*protodsse.Signature{{Sig: p.sign(t, dsse.PAE(intotoMediaType, payload))}},
	}
}

const bundle03 = bundleMediaType + ".v0.3+json"

// bundle is a signature as cosign writes it now.
func (p pair) bundle(t testing.TB, payload []byte) source.Blob {
	return bundleBlob(t, &protobundle.Bundle{
		MediaType: bundle03,
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: "any"}},
		},
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: p.envelope(t, payload)},
	})
}

func bundleBlob(t testing.TB, b *protobundle.Bundle) source.Blob {
	t.Helper()
	return source.Blob{MediaType: bundle03, Data: must[[]byte](t)(protojson.Marshal(b))}
}

// legacyAttestation is an attestation in the older format.
func (p pair) legacyAttestation(t testing.TB, payload []byte) source.Blob {
	data := must[[]byte](t)(json.Marshal(map[string]any{
		"payloadType": intotoMediaType, "payload": payload,
		"signatures": []map[string]any{{"keyid": "", "sig": p.sign(t, dsse.PAE(intotoMediaType, payload))}},
	}))
	return source.Blob{MediaType: envelopeMediaType, Data: data, Annotations: map[string]string{signatureAnnotation: ""}}
}

// byKeys and byIdentity are policies with one entry.
func byKeys(paths ...string) spec.Trust {
	return spec.Trust{Signatures: []spec.SignedBy{{Name: "release", Keys: paths}}}
}

func byIdentity(trustRoot string, identities ...spec.Identity) spec.Trust {
	return spec.Trust{Signatures: []spec.SignedBy{{Name: "release", Keyless: identities, TrustRoot: trustRoot}}}
}
