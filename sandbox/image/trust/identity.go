package trust

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// keyless verifies what was signed with a certificate that was made out to an
// identity for a few minutes.
type keyless struct {
	path       string // of the trust root
	root       *root.TrustedRoot
	verifier   *verify.Verifier
	identities []verify.CertificateIdentity
}

// rootHint says how a trust root comes to be.
const rootHint = "cosign trusted-root create --with-default-services --out FILE writes one; name it as trustRoot in the profile"

// newKeyless reads the trust root and the identities of s.
func newKeyless(s spec.SignedBy) (*keyless, error) {
	if s.TrustRoot == "" {
		return nil, problem.New(rootHint, "signature %q is by identity, and no trust root says whose certificates count", plain(s.Name))
	}
	data, err := readFile(s.TrustRoot, "the trust root")
	if err != nil {
		return nil, err
	}
	k := &keyless{path: s.TrustRoot}
	if err := guarded(func() error { k.root, err = root.NewTrustedRootFromJSON(data); return err }); err != nil {
		return nil, problem.New(rootHint, "the trust root %s cannot be read: %s", s.TrustRoot, plain(err.Error()))
	}
	if len(k.root.FulcioCertificateAuthorities()) == 0 {
		return nil, problem.New(rootHint, "the trust root %s names no certificate authority", s.TrustRoot)
	}
	if k.verifier, err = newVerifier(k.root); err != nil {
		return nil, problem.New(rootHint, "the trust root %s cannot be used: %s", s.TrustRoot, plain(err.Error()))
	}
	for _, i := range s.Keyless {
		identity, err := newIdentity(i)
		if err != nil {
			return nil, problem.New("give issuer, and subject or subjectRegExp", "an identity of signature %q: %s", plain(s.Name), plain(err.Error()))
		}
		k.identities = append(k.identities, identity)
	}
	return k, nil
}

// newVerifier asks for all that the trust root can vouch for. The signature's
// time is always needed, because the certificate has long ended: from a log or
// from a timestamp authority. A log of signatures and a log of certificates
// are asked for where the trust root names one; a private root need not.
func newVerifier(r *root.TrustedRoot) (*verify.Verifier, error) {
	options := []verify.VerifierOption{verify.WithObserverTimestamps(1), verify.WithoutStatementPredicate()}
	if len(r.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	if len(r.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	return verify.NewVerifier(r, options...)
}

// newIdentity matches the issuer and the whole subject.
func newIdentity(i spec.Identity) (verify.CertificateIdentity, error) {
	if i.Issuer == "" {
		return verify.CertificateIdentity{}, errors.New("it has no issuer")
	}
	whole := ""
	if i.SubjectRegExp != "" {
		// It must be an expression by itself, or it could close the group.
		if _, err := regexp.Compile(i.SubjectRegExp); err != nil {
			return verify.CertificateIdentity{}, err
		}
		whole = `\A(?:` + i.SubjectRegExp + `)\z`
	}
	return verify.NewShortCertificateIdentity(i.Issuer, "", i.Subject, whole)
}

// verify verifies s with its certificate. held is the identity; reason is why
// it does not count.
func (k *keyless) verify(s signed, artifact verify.ArtifactPolicyOption) (held, reason string) {
	var result *verify.VerificationResult
	err := guarded(func() (err error) {
		result, err = k.verifier.Verify(s.byCertificate, verify.NewPolicy(artifact, verify.WithoutIdentitiesUnsafe()))
		return err
	})
	if err != nil {
		return "", k.explain(s, err)
	}
	if result.Signature == nil || result.Signature.Certificate == nil {
		return "", "has no certificate"
	}
	summary := *result.Signature.Certificate
	if _, err := verify.CertificateIdentities(k.identities).Verify(summary); err != nil {
		return "", "has a certificate for " + holder(summary)
	}
	return "identity " + holder(summary), ""
}

// holder shows whom a certificate is made out to.
func holder(c certificate.Summary) string {
	return fmt.Sprintf("%s by issuer %s", plain(c.SubjectAlternativeName), plain(c.Issuer))
}
