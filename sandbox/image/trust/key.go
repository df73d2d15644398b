package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/safe-run/safe-run/spec/problem"
)

// key is a public key of a policy. It verifies in each way that cosign signs
// in: older versions took SHA-256 for every curve, and for Ed25519 cosign signs
// the hash (Ed25519ph) where others sign the message.
type key struct {
	path      string
	public    crypto.PublicKey
	verifiers []signature.Verifier
}

// readKey reads a public key in PEM: ECDSA, Ed25519 or RSA.
func readKey(path string) (*key, error) {
	data, err := readFile(path, "the public key")
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(data)
	const form = "cosign public-key --key KEY writes it as it is wanted"
	switch {
	case block == nil:
		return nil, problem.New(form, "the public key %s is not in PEM", path)
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, problem.New(form, "the public key %s is a private key", path)
	case block.Type == "CERTIFICATE":
		return nil, problem.New("name its public key: openssl x509 -in "+path+" -noout -pubkey", "the public key %s is a certificate", path)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, problem.New("name one file a key", "the public key %s has something after its key", path)
	}
	public, err := cryptoutils.UnmarshalPEMToPublicKey(data)
	if err != nil {
		return nil, problem.New(form, "the public key %s cannot be read: %s", path, plain(err.Error()))
	}
	if !strong(public) {
		return nil, problem.New("sign with one of those: cosign generate-key-pair makes an ECDSA P-256 key", "the public key %s is not ECDSA P-256, P-384 or P-521, Ed25519, or RSA of 2048 to %d bits", path, maxRSA)
	}
	return newKey(path, public)
}

// maxRSA bounds an RSA key in bits: a signature by a larger one takes seconds
// to verify.
const maxRSA = 8192

// strong reports whether signatures by the key are beyond forging.
func strong(public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256() || k.Curve == elliptic.P384() || k.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return true
	case *rsa.PublicKey:
		return k.N.BitLen() >= 2048 && k.N.BitLen() <= maxRSA
	}
	return false
}

func newKey(path string, public crypto.PublicKey) (*key, error) {
	k := &key{path: path, public: public}
	if ed, ok := public.(ed25519.PublicKey); ok {
		prehashed, err := signature.LoadED25519phVerifier(ed)
		if err != nil {
			return nil, problem.New("", "the public key %s cannot be used: %s", path, plain(err.Error()))
		}
		k.verifiers = append(k.verifiers, prehashed)
	}
	hashes := []crypto.Hash{crypto.SHA256}
	if ec, ok := public.(*ecdsa.PublicKey); ok {
		switch ec.Curve {
		case elliptic.P384():
			hashes = append(hashes, crypto.SHA384)
		case elliptic.P521():
			hashes = append(hashes, crypto.SHA512)
		}
	}
	for _, hash := range hashes {
		v, err := signature.LoadVerifier(public, hash)
		if err != nil {
			return nil, problem.New("", "the public key %s cannot be used: %s", path, plain(err.Error()))
		}
		k.verifiers = append(k.verifiers, v)
	}
	return k, nil
}

var _ root.TimeConstrainedVerifier = (*key)(nil)

// ValidAtTime implements root.TimeConstrainedVerifier: a key in a file has no
// end.
func (k *key) ValidAtTime(time.Time) bool { return true }

// PublicKey implements signature.Verifier.
func (k *key) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return k.public, nil
}

// VerifySignature implements signature.Verifier.
func (k *key) VerifySignature(sig, message io.Reader, opts ...signature.VerifyOption) error {
	sigBytes, err := io.ReadAll(sig)
	if err != nil {
		return err
	}
	messageBytes, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	for _, v := range k.verifiers {
		if v.VerifySignature(bytes.NewReader(sigBytes), bytes.NewReader(messageBytes), opts...) == nil {
			return nil
		}
	}
	return errOtherKey
}

var errOtherKey = errors.New("another key")

// material is what sigstore-go verifies with: this key, whatever key a bundle
// hints at.
func (k *key) material() root.TrustedMaterial {
	return root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return k, nil })
}
