package trust

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/verify"
)

// guarded runs a reader of hostile data that is not ours: if it panics, the
// data is refused, and the next signature is looked at.
func guarded(read func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("its reader failed: %v", r)
		}
	}()
	return read()
}

// failures are what sigstore-go says, by a part of it, and what it means.
var failures = []struct{ part, reason string }{
	{"not enough verified log entries", "is in no log that the trust root names"},
	{"threshold not met for verified", "has no timestamp that the trust root vouches for"},
	{"verify signed certificate timestamp", "has a certificate that is in no log of certificates that the trust root names"},
	{"could not verify envelope", "was changed after it was signed"},
	{"could not verify message", "was changed after it was signed"},
	{"log signature does not match", "has a log entry of another signature"},
	{"certificate does not match", "has a log entry of another signature"},
	{"does not match envelope payload hash", "has a log entry of another signature"},
	{"does not match artifact", "has a log entry of another signature"},
}

// explain says why sigstore-go refused s.
func (k *keyless) explain(s signed, err error) string {
	message := err.Error()
	if strings.Contains(message, "leaf certificate verification failed") || strings.Contains(message, "outside certificate validity") {
		return k.explainCertificate(s)
	}
	if errors.Is(err, verify.ErrDSSEInvalidSignatureCount) {
		return "has not exactly one signature in its envelope"
	}
	for _, f := range failures {
		if strings.Contains(message, f.part) {
			return f.reason
		}
	}
	return "does not verify: " + plain(message)
}

// explainCertificate tells a certificate that was not valid at the time from
// one by an authority that nobody trusts.
func (k *keyless) explainCertificate(s signed) string {
	content, err := s.byCertificate.VerificationContent()
	if err != nil || content.Certificate() == nil {
		return "has no certificate"
	}
	c := content.Certificate()
	for _, authority := range k.root.FulcioCertificateAuthorities() {
		if _, err := authority.Verify(c, c.NotBefore.Add(time.Second)); err == nil {
			return fmt.Sprintf("was not made while its certificate was valid: it had expired, or had not begun (valid from %s to %s)",
				c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	return "has a certificate by an authority that the trust root does not name, or not for that time"
}
