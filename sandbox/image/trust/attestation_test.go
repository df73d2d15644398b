package trust

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec"
)

// TestAttestations gives what a key or an identity of the policy signed, and
// nothing else.
func TestAttestations(t *testing.T) {
	right, wrong := ecPair(t, "right.pub"), ecPair(t, "wrong.pub")
	virtual := newSigstore(t)
	trusted := virtual.trustRoot(t, false)
	vuln := statement(vulnPredicate, theDigest)
	keyless := byIdentity(trusted, alice)
	two := spec.Trust{Signatures: []spec.SignedBy{{Name: "build", Keys: []string{wrong.path}}, {Name: "scan", Keys: []string{right.path}}}}

	for _, c := range []struct {
		name   string
		trust  spec.Trust
		blob   source.Blob
		by     string
		reason string
	}{
		{"bundle", byKeys(right.path), right.bundle(t, vuln), "key " + right.path, ""},
		{"legacy", byKeys(right.path), right.legacyAttestation(t, vuln), "key " + right.path, ""},
		{"identity", keyless, virtual.bundle(t, alice, vuln, time.Now().Add(time.Minute)), "identity " + alice.Subject + " by issuer " + issuer, ""},
		{"identity, legacy", keyless, virtual.legacyAttestation(t, alice, vuln), "identity " + alice.Subject + " by issuer " + issuer, ""},
		{"other identity, legacy", keyless, virtual.legacyAttestation(t, bob, vuln), "", "has a certificate for bob@example.com"},
		{"one of two entries", two, right.bundle(t, vuln), "", `as "build" asks: its only attestation`},
		{"other identity", keyless, virtual.bundle(t, bob, vuln, time.Now().Add(time.Minute)), "", "has a certificate for bob@example.com"},
		{"wrong key", byKeys(right.path), wrong.bundle(t, vuln), "", "is by another key than right.pub"},
		{"legacy, wrong key", byKeys(right.path), wrong.legacyAttestation(t, vuln), "", "is by another key than right.pub"},
		{"other digest", byKeys(right.path), right.bundle(t, statement(vulnPredicate, anotherDigest)), "", "is for another digest"},
		{"other predicate", byKeys(right.path), right.bundle(t, statement("https://slsa.dev/provenance/v1", theDigest)), "", "asks: it has no attestation"},
		{"a signature", byKeys(right.path), right.legacy(t, simplePayload(simpleType, theDigest)), "", "asks: it has no attestation"},
		{"damaged", byKeys(right.path), source.Blob{MediaType: envelopeMediaType, Data: []byte("{")}, "", "cannot be read"},
		{"envelope of something else", byKeys(right.path), source.Blob{MediaType: envelopeMediaType, Data: []byte(`{"payloadType":"text/plain"}`)}, "", `its envelope holds "text/plain"`},
		{"no signature is asked for", spec.Trust{}, right.bundle(t, vuln), "", "the profile asks for no signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := Attestations(t.Context(), c.trust, subject(beside(c.blob)), vulnPredicate, "https://openvex.dev/ns")
			if c.reason != "" {
				if !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), c.reason) || len(out) > 0 {
					t.Errorf("got %v, %v; want none, because it %s", out, err, c.reason)
				}
				return
			}
			if err != nil || len(out) != 1 {
				t.Fatalf("got %v, %v", out, err)
			}
			got := out[0]
			if got.PredicateType != vulnPredicate || got.By != c.by || got.Digest != theDigest || string(got.Predicate) != `{"scanner":{"result":"clean"}}` || string(got.Payload) != string(vuln) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestAttestationsOfEveryEntry wants one by each entry of the policy.
func TestAttestationsOfEveryEntry(t *testing.T) {
	a, b := ecPair(t, "a.pub"), ecPair(t, "b.pub")
	both := spec.Trust{Signatures: []spec.SignedBy{{Name: "floor", Keys: []string{a.path}}, {Name: "profile", Keys: []string{b.path}}}}
	vuln := statement(vulnPredicate, theDigest)
	out, err := Attestations(t.Context(), both, subject(beside(b.bundle(t, vuln)), beside(a.legacyAttestation(t, vuln))), vulnPredicate)
	if err != nil || len(out) != 2 || out[0].Signer != "floor" || out[1].Signer != "profile" || out[0].Entry != 0 || out[1].Entry != 1 {
		t.Errorf("both: %+v, %v", out, err)
	}
	if _, err := Attestations(t.Context(), both, subject(beside(b.bundle(t, vuln))), vulnPredicate); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), `as "floor" asks`) {
		t.Errorf("the profile speaks for the floor: %v", err)
	}
}

// TestAttestationsFail tells what could not be looked for from what is not
// there.
func TestAttestationsFail(t *testing.T) {
	right := ecPair(t, "right.pub")
	if _, err := Attestations(t.Context(), byKeys(right.path+".gone"), subject(), vulnPredicate); err == nil || errors.Is(err, ErrNone) {
		t.Errorf("a missing key: %v", err)
	}
	s := subject()
	s.Manifest = nil
	if _, err := Attestations(t.Context(), byKeys(right.path), s, vulnPredicate); err == nil || errors.Is(err, ErrNone) {
		t.Errorf("another manifest: %v", err)
	}
	s = subject()
	s.Attached = nil
	if _, err := Attestations(t.Context(), byKeys(right.path), s, vulnPredicate); !errors.Is(err, ErrNone) {
		t.Errorf("a source without attachments: %v", err)
	}
}
