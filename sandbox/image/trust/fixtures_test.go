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
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
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

// sigstore is a certificate authority, a log and a timestamp authority in
// memory.
type sigstore struct{ *ca.VirtualSigstore }

func newSigstore(t testing.TB) sigstore {
	t.Helper()
	return sigstore{must[*ca.VirtualSigstore](t)(ca.NewVirtualSigstore())}
}

// trustRoot writes the trusted_root.json of s.
func (s sigstore) trustRoot(t testing.TB, certificateLogs bool) string {
	t.Helper()
	rawID := func(logs map[string]*root.TransparencyLog) map[string]*root.TransparencyLog {
		for _, log := range logs {
			log.ID = must[[]byte](t)(hex.DecodeString(string(log.ID)))
		}
		return logs
	}
	var ct map[string]*root.TransparencyLog
	if certificateLogs {
		ct = rawID(s.CTLogs())
	}
	r := must[*root.TrustedRoot](t)(root.NewTrustedRoot(root.TrustedRootMediaType01, s.FulcioCertificateAuthorities(), ct, s.TimestampingAuthorities(), rawID(s.RekorLogs())))
	path := filepath.Join(t.TempDir(), "trusted_root.json")
	if err := os.WriteFile(path, must[[]byte](t)(r.MarshalJSON()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	alice  = "alice@example.com"
	issuer = "https://accounts.example.com"
)

// bundle signs a statement as an identity, at a time of the log.
func (s sigstore) bundle(t testing.TB, who, by string, payload []byte, at time.Time) source.Blob {
	t.Helper()
	e := must[*ca.TestEntity](t)(s.AttestAtTimeHashedRekordV2(who, by, payload, at))
	b := &protobundle.Bundle{MediaType: bundle03, VerificationMaterial: material(t, e)}
	content, err := e.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	b.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
		Payload: payload, PayloadType: intotoMediaType, Signatures: []*protodsse.Signature{{Sig: content.Signature()}},
	}}
	return bundleBlob(t, b)
}

func material(t testing.TB, e *ca.TestEntity) *protobundle.VerificationMaterial {
	t.Helper()
	content, err := e.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	m := &protobundle.VerificationMaterial{
		Content:                   &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: content.Certificate().Raw}},
		TimestampVerificationData: &protobundle.TimestampVerificationData{},
	}
	for _, entry := range must[[]*tlog.Entry](t)(e.TlogEntries()) {
		m.TlogEntries = append(m.TlogEntries, entry.TransparencyLogEntry())
	}
	for _, stamp := range must[[][]byte](t)(e.Timestamps()) {
		m.TimestampVerificationData.Rfc3161Timestamps = append(m.TimestampVerificationData.Rfc3161Timestamps, &protocommon.RFC3161SignedTimestamp{SignedTimestamp: stamp})
	}
	return m
}

// loggedBundle signs a statement as an identity into a log of the first kind,
// which promises to keep an entry and says when it came, in a version of
// bundle.
func (s sigstore) loggedBundle(t testing.TB, version string, payload []byte) source.Blob {
	t.Helper()
	e := must[*ca.TestEntity](t)(s.AttestAtTime(alice, issuer, payload, time.Now().Add(time.Minute), true))
	content, err := e.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	m := material(t, e)
	m.TimestampVerificationData = nil
	m.TlogEntries[0].KindVersion = &protorekor.KindVersion{Kind: "dsse", Version: "0.0.1"}
	m.TlogEntries[0].InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: s.promise(t, m.TlogEntries[0])}
	return bundleBlob(t, &protobundle.Bundle{MediaType: version, VerificationMaterial: m, Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
		Payload: payload, PayloadType: intotoMediaType, Signatures: []*protodsse.Signature{{Sig: content.Signature()}},
	}}})
}

// legacyAttestation attests as an identity, in the older format.
func (s sigstore) legacyAttestation(t testing.TB, who string, payload []byte) source.Blob {
	t.Helper()
	e := must[*ca.TestEntity](t)(s.AttestAtTime(who, issuer, payload, time.Now().Add(time.Minute), false))
	content, err := e.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	m := material(t, e)
	return source.Blob{
		MediaType: envelopeMediaType,
		Data:      must[[]byte](t)(json.Marshal(content.EnvelopeContent().RawEnvelope())),
		Annotations: map[string]string{
			certificateAnnotation: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.GetCertificate().RawBytes})),
			logAnnotation:         string(s.logEntry(t, m.TlogEntries[0])),
			timestampAnnotation:   string(must[[]byte](t)(json.Marshal(map[string][]byte{"SignedRFC3161Timestamp": m.TimestampVerificationData.Rfc3161Timestamps[0].SignedTimestamp}))),
		},
	}
}

// legacy signs a payload as an identity, in the older format.
func (s sigstore) legacy(t testing.TB, who, by string, payload []byte) source.Blob {
	t.Helper()
	e := must[*ca.TestEntity](t)(s.Sign(who, by, payload))
	content, err := e.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := e.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	entry := must[[]*tlog.Entry](t)(e.TlogEntries())[0].TransparencyLogEntry()
	return source.Blob{MediaType: simpleMediaType, Data: payload, Annotations: map[string]string{
		signatureAnnotation:   base64.StdEncoding.EncodeToString(sig.Signature()),
		certificateAnnotation: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content.Certificate().Raw})),
		logAnnotation:         string(s.logEntry(t, entry)),
	}}
}

// promised is what the log signs of an entry.
func promised(entry *protorekor.TransparencyLogEntry) tlog.RekorPayload {
	return tlog.RekorPayload{
		Body: base64.StdEncoding.EncodeToString(entry.CanonicalizedBody), IntegratedTime: entry.IntegratedTime,
		LogIndex: entry.LogIndex, LogID: hex.EncodeToString(entry.LogId.KeyId),
	}
}

// promise is the log's signature of an entry.
func (s sigstore) promise(t testing.TB, entry *protorekor.TransparencyLogEntry) []byte {
	t.Helper()
	return must[[]byte](t)(s.RekorSignPayload(promised(entry)))
}

// logEntry is an entry as cosign kept it.
func (s sigstore) logEntry(t testing.TB, entry *protorekor.TransparencyLogEntry) []byte {
	t.Helper()
	return must[[]byte](t)(json.Marshal(map[string]any{"SignedEntryTimestamp": s.promise(t, entry), "Payload": promised(entry)}))
}

// byKeys and byIdentity are policies with one entry.
func byKeys(paths ...string) spec.Trust {
	return spec.Trust{Signatures: []spec.SignedBy{{Name: "release", Keys: paths}}}
}

func byIdentity(trustRoot string, identities ...spec.Identity) spec.Trust {
	return spec.Trust{Signatures: []spec.SignedBy{{Name: "release", Keyless: identities, TrustRoot: trustRoot}}}
}
