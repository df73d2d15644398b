package trust

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"

	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec"
)

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

const issuer = "https://accounts.example.com"

// Two who may be signed as.
var (
	alice = spec.Identity{Issuer: issuer, Subject: "alice@example.com"}
	bob   = spec.Identity{Issuer: issuer, Subject: "bob@example.com"}
)

// bundle signs a statement as an identity, at a time of the log.
func (s sigstore) bundle(t testing.TB, who spec.Identity, payload []byte, at time.Time) source.Blob {
	t.Helper()
	e := must[*ca.TestEntity](t)(s.AttestAtTimeHashedRekordV2(who.Subject, who.Issuer, payload, at))
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
	e := must[*ca.TestEntity](t)(s.AttestAtTime(alice.Subject, issuer, payload, time.Now().Add(time.Minute), true))
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
func (s sigstore) legacyAttestation(t testing.TB, who spec.Identity, payload []byte) source.Blob {
	t.Helper()
	e := must[*ca.TestEntity](t)(s.AttestAtTime(who.Subject, who.Issuer, payload, time.Now().Add(time.Minute), false))
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
func (s sigstore) legacy(t testing.TB, who spec.Identity, payload []byte) source.Blob {
	t.Helper()
	e := must[*ca.TestEntity](t)(s.Sign(who.Subject, who.Issuer, payload))
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
