package trust

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec/problem"
)

// The media types of what cosign keeps beside an image. A bundle's has a
// version at its end, which its reader checks.
const (
	simpleMediaType   = "application/vnd.dev.cosign.simplesigning.v1+json"
	envelopeMediaType = "application/vnd.dsse.envelope.v1+json"
	bundleMediaType   = "application/vnd.dev.sigstore.bundle"
	intotoMediaType   = "application/vnd.in-toto+json"
)

// maxSigned bounds the signed things beside one image, and maxSignedBytes their
// size: each is read and tried.
const (
	maxSigned      = 256
	maxSignedBytes = 64 << 20
)

// signed is one signed thing beside an image, taken apart and not verified.
type signed struct {
	claim   claim
	payload []byte // what was signed
	simple  bool   // the signature is of the payload itself, not of an envelope
	// The same as sigstore-go verifies it with a key, or with a certificate;
	// nil when it cannot be.
	byKey, byCertificate *bundle.Bundle
	broken               string // why it cannot be read
}

// readSigned takes a blob apart; false when it is none of ours.
func readSigned(b source.Blob) (signed, bool) {
	var s signed
	var err error
	switch {
	case b.MediaType == simpleMediaType:
		s, err = readLegacySignature(b)
	case b.MediaType == envelopeMediaType:
		s, err = readLegacyEnvelope(b)
	case strings.HasPrefix(b.MediaType, bundleMediaType):
		s, err = readBundle(b.Data)
	default:
		return signed{}, false
	}
	if err != nil {
		return signed{broken: plain(err.Error())}, true
	}
	return s, true
}

// readBundle reads a sigstore bundle.
func readBundle(data []byte) (signed, error) {
	if len(data) > bounds.Metadata {
		return signed{}, fmt.Errorf("it has more than %s", bounds.Size(bounds.Metadata))
	}
	b := new(bundle.Bundle)
	if err := guarded(func() error { return b.UnmarshalJSON(data) }); err != nil {
		return signed{}, err
	}
	if b.GetMessageSignature() != nil {
		return signed{}, fmt.Errorf("it signs bytes, and no statement says of what image")
	}
	return inEnvelope(b)
}

// inEnvelope takes the envelope of a bundle apart.
func inEnvelope(b *bundle.Bundle) (signed, error) {
	envelope := b.GetDsseEnvelope()
	if envelope.GetPayloadType() != intotoMediaType {
		return signed{}, fmt.Errorf("its envelope holds %q, not an in-toto statement", plain(envelope.GetPayloadType()))
	}
	s := signed{payload: envelope.GetPayload()}
	var err error
	if s.claim, err = readStatement(s.payload); err != nil {
		return signed{}, fmt.Errorf("its statement: %w", err)
	}
	var content verify.VerificationContent
	if err := guarded(func() (err error) { content, err = b.VerificationContent(); return err }); err != nil {
		return signed{}, err
	}
	if content.Certificate() != nil {
		s.byCertificate = b
	} else {
		s.byKey = b
	}
	return s, nil
}

// artifact is what a signature must be of, for sigstore-go to check too.
func (s signed) artifact(digest v1.Hash) (verify.ArtifactPolicyOption, error) {
	if s.simple {
		return verify.WithArtifact(strings.NewReader(string(s.payload))), nil
	}
	sum, err := hex.DecodeString(digest.Hex)
	if err != nil {
		return nil, err
	}
	return verify.WithArtifactDigest(digest.Algorithm, sum), nil
}

// found gathers what is signed beside the manifest and beside the index.
func found(ctx context.Context, s Subject) ([]signed, error) {
	if s.Attached == nil {
		return nil, nil
	}
	var out []signed
	seen, size := map[v1.Hash]bool{}, 0
	for _, digest := range s.Digests {
		attachments, err := s.Attached(ctx, digest)
		if err != nil {
			return nil, fmt.Errorf("what is signed of image %s cannot be read: %w", plain(s.Reference), err)
		}
		for _, a := range attachments {
			if seen[a.Digest] {
				continue
			}
			seen[a.Digest] = true
			for _, b := range a.Blobs {
				one, ours := readSigned(b)
				if !ours {
					continue
				}
				out, size = append(out, one), size+len(b.Data)
				if len(out) > maxSigned || size > maxSignedBytes {
					return nil, problem.New("remove the old ones: cosign clean IMAGE",
						"image %s has more than %d signatures and attestations, or than %s of them", plain(s.Reference), maxSigned, bounds.Size(maxSignedBytes))
				}
			}
		}
	}
	return out, nil
}
