package trust

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec"
)

// TestSignatureByIdentity is the matrix of signatures by an identity.
func TestSignatureByIdentity(t *testing.T) {
	virtual, stranger := newSigstore(t), newSigstore(t)
	trusted, withCT := virtual.trustRoot(t, false), virtual.trustRoot(t, true)
	sign, simple := statement(signPredicate, theDigest), simplePayload(simpleType, theDigest)
	now := time.Now().Add(time.Minute)
	good := virtual.bundle(t, alice, sign, now)
	legacy := virtual.legacy(t, alice, simple)
	noLog := virtual.legacy(t, alice, simple)
	delete(noLog.Annotations, logAnnotation)
	otherLog := virtual.legacy(t, alice, simple)
	otherLog.Annotations[logAnnotation] = legacy.Annotations[logAnnotation]
	key := ecPair(t, "release.pub")

	for _, c := range []struct {
		name    string
		blob    source.Blob
		trust   spec.Trust
		refused string
	}{
		{"bundle, right identity", good, byIdentity(trusted, alice), ""},
		{"legacy, right identity", legacy, byIdentity(trusted, alice), ""},
		{"bundle of a log's promise", virtual.loggedBundle(t, bundle03, sign), byIdentity(trusted, alice), ""},
		{"bundle 0.2", virtual.loggedBundle(t, bundleMediaType+"+json;version=0.2", sign), byIdentity(trusted, alice), ""},
		{"bundle 0.1", virtual.loggedBundle(t, bundleMediaType+"+json;version=0.1", sign), byIdentity(trusted, alice), ""},
		{"bundle 0.4", virtual.loggedBundle(t, bundleMediaType+".v0.4+json", sign), byIdentity(trusted, alice), "bundle version v0.4 is not yet supported"},
		{"second identity", good, byIdentity(trusted, bob, alice), ""},
		{"expression", good, byIdentity(trusted, spec.Identity{Issuer: issuer, SubjectRegExp: `.*@example\.com`}), ""},
		{"wrong identity", good, byIdentity(trusted, bob), "has a certificate for alice@example.com by issuer https://accounts.example.com"},
		{"legacy, wrong identity", legacy, byIdentity(trusted, bob), "has a certificate for alice@example.com by issuer https://accounts.example.com"},
		{"wrong issuer", good, byIdentity(trusted, spec.Identity{Issuer: "https://other.example.com", Subject: alice.Subject}), "has a certificate for alice@example.com by issuer https://accounts.example.com"},
		{"expression of a part", good, byIdentity(trusted, spec.Identity{Issuer: issuer, SubjectRegExp: `alice@example`}), "has a certificate for alice@example.com"},
		{"expression that closes its group", good, byIdentity(trusted, spec.Identity{Issuer: issuer, SubjectRegExp: `x)|(?:.*`}), "unexpected )"},
		{"no subject", good, byIdentity(trusted, spec.Identity{Issuer: issuer}), "an identity of signature"},
		{"no issuer", good, byIdentity(trusted, spec.Identity{Subject: alice.Subject}), "it has no issuer"},
		{"another digest", virtual.bundle(t, alice, statement(signPredicate, anotherDigest), now), byIdentity(trusted, alice), "is for another digest"},
		{"attestation", virtual.bundle(t, alice, statement(vulnPredicate, theDigest), now), byIdentity(trusted, alice), "is an attestation"},
		{"expired certificate", virtual.bundle(t, alice, sign, now.Add(time.Hour)), byIdentity(trusted, alice), "it had expired"},
		{"other authority", stranger.bundle(t, alice, sign, now), byIdentity(trusted, alice), "is in no log that the trust root names"},
		{"no log entry", noLog, byIdentity(trusted, alice), "is in no log that the trust root names"},
		{"log entry of another signature", otherLog, byIdentity(trusted, alice), "has a log entry of another signature"},
		{"certificate in no log", good, byIdentity(withCT, alice), "in no log of certificates"},
		{"no trust root", good, byIdentity("", alice), "no trust root says whose certificates count"},
		{"missing trust root", good, byIdentity(filepath.Join(t.TempDir(), "none.json"), alice), "the trust root cannot be read"},
		{"key asked for", good, byKeys(key.path), "has a certificate, and a key is asked for: release.pub"},
		{"identity asked for", key.bundle(t, sign), byIdentity(trusted, alice), "is by a key, and an identity is asked for"},
		{"key or identity, by key", key.bundle(t, sign), either(key.path, trusted, alice), ""},
		{"key or identity, by identity", good, either(key.path, trusted, alice), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			held, refused := check(t, c.trust, subject(beside(c.blob)))
			if c.refused == "" && !strings.HasPrefix(held, "identity alice@example.com by issuer "+issuer) && held != "key "+key.path {
				t.Errorf("not accepted: %q %q", held, refused)
			}
			if c.refused != "" && !strings.Contains(refused, c.refused) {
				t.Errorf("refused with %q, want %q", refused, c.refused)
			}
		})
	}
}

// either is a policy that a key or an identity meets.
func either(path, trustRoot string, i spec.Identity) spec.Trust {
	return spec.Trust{Signatures: []spec.SignedBy{{Name: "release", Keys: []string{path}, Keyless: []spec.Identity{i}, TrustRoot: trustRoot}}}
}

// TestLegacyAnnotations refuses each annotation that cannot be read.
func TestLegacyAnnotations(t *testing.T) {
	virtual := newSigstore(t)
	trusted := virtual.trustRoot(t, false)
	for name, annotations := range map[string]map[string]string{
		"certificate":    {certificateAnnotation: "x"},
		"no certificate": {certificateAnnotation: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
		"log":            {logAnnotation: "x"},
		"log of nothing": {logAnnotation: "{}"},
		"log body":       {logAnnotation: `{"Payload":{"logID":"00","body":"` + base64.StdEncoding.EncodeToString([]byte(`{"kind":"dsse","apiVersion":"0.0.1","spec":{}}`)) + `"}}`},
		"timestamp":      {timestampAnnotation: "x"},
	} {
		b := virtual.legacy(t, alice, simplePayload(simpleType, theDigest))
		for k, v := range annotations {
			b.Annotations[k] = v
		}
		if _, refused := check(t, byIdentity(trusted, alice), subject(beside(b))); refused == "" {
			t.Errorf("%s: accepted", name)
		}
	}
}
