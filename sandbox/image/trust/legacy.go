package trust

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/exact"
	"github.com/safe-run/safe-run/sandbox/image/source"
)

// The annotations of cosign's older format, which kept beside the payload what
// a bundle holds together.
const (
	signatureAnnotation   = "dev.cosignproject.cosign/signature"
	certificateAnnotation = "dev.sigstore.cosign/certificate"
	logAnnotation         = "dev.sigstore.cosign/bundle"
	timestampAnnotation   = "dev.sigstore.cosign/rfc3161timestamp"
)

// firstBundle is the version of bundle that holds what the older format has: a
// log's promise in place of its proof.
const firstBundle = bundleMediaType + "+json;version=0.1"

// maxSimple bounds a simple signing payload, which has one digest and a few
// annotations.
const maxSimple = 64 << 10

// readLegacySignature reads a layer of a .sig image.
func readLegacySignature(b source.Blob) (signed, error) {
	if len(b.Data) > maxSimple {
		return signed{}, fmt.Errorf("its payload has more than %s", bounds.Size(maxSimple))
	}
	s := signed{payload: b.Data, simple: true}
	var err error
	if s.claim, err = readSimple(b.Data); err != nil {
		return signed{}, fmt.Errorf("its payload: %w", err)
	}
	sig, err := base64.StdEncoding.DecodeString(b.Annotations[signatureAnnotation])
	if err != nil || len(sig) == 0 {
		return signed{}, fmt.Errorf("it has no %s annotation in base64", signatureAnnotation)
	}
	sum := sha256.Sum256(b.Data)
	return s.asBundles(b.Annotations, func(into *protobundle.Bundle) {
		into.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]},
			Signature:     sig,
		}}
	})
}

// readLegacyEnvelope reads a layer of an .att image.
func readLegacyEnvelope(b source.Blob) (signed, error) {
	if len(b.Data) > bounds.Metadata {
		return signed{}, fmt.Errorf("it has more than %s", bounds.Size(bounds.Metadata))
	}
	var envelope struct {
		PayloadType string `json:"payloadType"`
		Payload     []byte `json:"payload"`
		Signatures  []struct {
			Sig []byte `json:"sig"`
		} `json:"signatures"`
	}
	if err := exact.Unmarshal(b.Data, &envelope); err != nil {
		return signed{}, errors.New("it is not an envelope in JSON: " + err.Error())
	}
	if envelope.PayloadType != intotoMediaType {
		return signed{}, fmt.Errorf("its envelope holds %q, not an in-toto statement", plain(envelope.PayloadType))
	}
	s := signed{payload: envelope.Payload}
	var err error
	if s.claim, err = readStatement(envelope.Payload); err != nil {
		return signed{}, fmt.Errorf("its statement: %w", err)
	}
	dsse := &protodsse.Envelope{Payload: envelope.Payload, PayloadType: envelope.PayloadType}
	for _, one := range envelope.Signatures {
		dsse.Signatures = append(dsse.Signatures, &protodsse.Signature{Sig: one.Sig})
	}
	return s.asBundles(b.Annotations, func(into *protobundle.Bundle) {
		into.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: dsse}
	})
}

// asBundles writes the older format as bundles: one to be verified by a key,
// and one by the certificate where there is one.
func (s signed) asBundles(annotations map[string]string, fill func(*protobundle.Bundle)) (signed, error) {
	build := func(material *protobundle.VerificationMaterial) (b *bundle.Bundle, err error) {
		p := &protobundle.Bundle{MediaType: firstBundle, VerificationMaterial: material}
		fill(p)
		err = guarded(func() error { b, err = bundle.NewBundle(p); return err })
		return b, err
	}
	var err error
	if s.byKey, err = build(&protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}},
	}); err != nil {
		return signed{}, err
	}
	certificate := annotations[certificateAnnotation]
	if certificate == "" {
		return s, nil
	}
	material, err := legacyMaterial(certificate, annotations)
	if err != nil {
		return signed{}, err
	}
	if s.byCertificate, err = build(material); err != nil {
		return signed{}, err
	}
	return s, nil
}

// legacyMaterial reads the certificate and what says when it was used. The
// chain annotation is left out: the trust root has the chain.
func legacyMaterial(certificate string, annotations map[string]string) (*protobundle.VerificationMaterial, error) {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("its certificate is not in PEM")
	}
	m := &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_Certificate{
		Certificate: &protocommon.X509Certificate{RawBytes: block.Bytes},
	}}
	if log := annotations[logAnnotation]; log != "" {
		entry, err := legacyEntry([]byte(log))
		if err != nil {
			return nil, fmt.Errorf("its log entry: %w", err)
		}
		m.TlogEntries = append(m.TlogEntries, entry)
	}
	if stamp := annotations[timestampAnnotation]; stamp != "" {
		var t struct{ SignedRFC3161Timestamp []byte }
		if err := json.Unmarshal([]byte(stamp), &t); err != nil {
			return nil, errors.New("its timestamp is not in JSON")
		}
		m.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: t.SignedRFC3161Timestamp}},
		}
	}
	return m, nil
}

// legacyEntry reads the entry of the log that cosign kept.
func legacyEntry(data []byte) (*protorekor.TransparencyLogEntry, error) {
	var log struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := exact.Unmarshal(data, &log); err != nil {
		return nil, errors.New("it is not in JSON: " + err.Error())
	}
	id, err := hex.DecodeString(log.Payload.LogID)
	if err != nil || len(id) == 0 {
		return nil, errors.New("it names no log")
	}
	var kind struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(log.Payload.Body, &kind); err != nil {
		return nil, errors.New("its body is not in JSON")
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex: log.Payload.LogIndex, LogId: &protocommon.LogId{KeyId: id},
		KindVersion:    &protorekor.KindVersion{Kind: kind.Kind, Version: kind.APIVersion},
		IntegratedTime: log.Payload.IntegratedTime, CanonicalizedBody: log.Payload.Body,
		InclusionPromise: &protorekor.InclusionPromise{SignedEntryTimestamp: log.SignedEntryTimestamp},
	}, nil
}
