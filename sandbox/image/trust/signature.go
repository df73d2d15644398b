package trust

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// signer is one entry of a policy: any of its keys, or any of its identities.
type signer struct {
	name    string
	keys    []*key
	keyless *keyless // nil when no identity is asked for
}

// newSigners reads the files of the entries. One that cannot be read fails all
// of them: another of the keys might verify, but the policy is not what was
// written.
func newSigners(entries []spec.SignedBy) ([]signer, error) {
	var out []signer
	for _, e := range entries {
		s := signer{name: e.Name}
		for _, path := range e.Keys {
			k, err := readKey(path)
			if err != nil {
				return nil, err
			}
			s.keys = append(s.keys, k)
		}
		if len(e.Keyless) > 0 {
			var err error
			if s.keyless, err = newKeyless(e); err != nil {
				return nil, err
			}
		}
		if len(s.keys) == 0 && s.keyless == nil {
			return nil, problem.New("give it keys or keyless in the profile", "signature %q names neither a key nor an identity", plain(e.Name))
		}
		out = append(out, s)
	}
	return out, nil
}

// checkSignatures wants one signature for each entry of the policy.
func checkSignatures(ctx context.Context, t spec.Trust, s Subject) ([]Step, error) {
	if len(t.Signatures) == 0 {
		return nil, nil
	}
	signers, err := newSigners(t.Signatures)
	if err != nil {
		return nil, err
	}
	if err := s.signable(); err != nil {
		return nil, err
	}
	all, err := found(ctx, s)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, who := range signers {
		held, err := who.signature(all, s)
		if err != nil {
			return nil, err
		}
		steps = append(steps, Step{Name: "signature " + plain(who.name), Held: held})
	}
	return steps, nil
}

// signable refuses an image that cannot have a signature.
func (s Subject) signable() error {
	const hint = "run it from its registry, or from an OCI layout that keeps its signatures: cosign save --dir DIR IMAGE"
	if s.Made {
		return problem.New(hint, "image %s cannot have a signature: %s keeps no published digest, and a signature is for a digest", plain(s.Reference), plain(s.Transport))
	}
	if s.Attached == nil {
		return problem.New(hint, "image %s has no signature: %s keeps none", plain(s.Reference), plain(s.Transport))
	}
	return nil
}

// signature finds the signature of the image that counts for w.
func (w signer) signature(all []signed, s Subject) (string, error) {
	var reasons []string
	for _, one := range all {
		reason := one.noSignature(s.Digests)
		if reason == "" {
			var held string
			if held, reason = w.verify(one, s.Digests); reason == "" {
				return held, nil
			}
		}
		reasons = append(reasons, reason)
	}
	what := "signature"
	if slices.ContainsFunc(all, func(one signed) bool { return one.broken == "" && one.claim.predicateType != signPredicate }) {
		what = "attachment"
	}
	return "", problem.New(w.hint(s), "image %s is not signed as %q asks: %s", plain(s.Reference), plain(w.name), summary(what, reasons))
}

// noSignature says why s cannot be a signature of these digests, whoever made
// it.
func (s signed) noSignature(digests []v1.Hash) string {
	switch {
	case s.broken != "":
		return "cannot be read: " + s.broken
	case s.claim.predicateType != signPredicate:
		return fmt.Sprintf("is an attestation (predicate type %s), not a signature", plain(s.claim.predicateType))
	}
	return s.otherDigest(digests)
}

// otherDigest says that s is about something else.
func (s signed) otherDigest(digests []v1.Hash) string {
	if _, ok := s.claim.about(digests); ok {
		return ""
	}
	if len(s.claim.subjects) == 0 {
		return "is for no digest"
	}
	return "is for another digest, " + s.claim.subjects[0].String()
}

// verify verifies s by any key, or any identity, of w. It is about one of the
// digests.
func (w signer) verify(s signed, digests []v1.Hash) (held, reason string) {
	digest, ok := s.claim.about(digests)
	if !ok {
		return "", s.otherDigest(digests)
	}
	if s.byKey != nil {
		for _, k := range w.keys {
			held, why := k.verify(s, digest)
			if why == "" {
				return held, ""
			}
			reason = why
		}
	}
	if s.byCertificate != nil && w.keyless != nil {
		artifact, err := s.artifact(digest)
		if err != nil {
			return "", plain(err.Error())
		}
		return w.keyless.verify(s, artifact)
	}
	switch {
	case reason != "" && reason != errOtherKey.Error():
		return "", reason
	case reason != "":
		return "", "is by another key than " + w.keyNames() + ", or was changed"
	case s.byCertificate != nil:
		return "", "has a certificate, and a key is asked for: " + w.keyNames()
	}
	return "", "is by a key, and an identity is asked for"
}

// keyNames shows the keys by their files.
func (w signer) keyNames() string {
	var names []string
	for _, k := range w.keys {
		names = append(names, filepath.Base(k.path))
	}
	return plain(strings.Join(names, ", "))
}

// verify verifies s by k.
func (k *key) verify(s signed, digest v1.Hash) (held, reason string) {
	artifact, err := s.artifact(digest)
	if err != nil {
		return "", plain(err.Error())
	}
	verifier, err := verify.NewVerifier(k.material(), verify.WithNoObserverTimestamps(), verify.WithoutStatementPredicate())
	if err != nil {
		return "", plain(err.Error())
	}
	err = guarded(func() error {
		_, err := verifier.Verify(s.byKey, verify.NewPolicy(artifact, verify.WithKey()))
		return err
	})
	switch {
	case err == nil:
		return "key " + plain(k.path), ""
	case errors.Is(err, errOtherKey), strings.Contains(err.Error(), "accepted signatures do not match threshold"):
		return "", errOtherKey.Error()
	case errors.Is(err, verify.ErrDSSEInvalidSignatureCount):
		return "", "has not exactly one signature in its envelope"
	}
	return "", "does not verify: " + plain(err.Error())
}

// hint says how the signature that is missing is made.
func (w signer) hint(s Subject) string {
	if len(w.keys) > 0 {
		return "sign it: cosign sign --key KEY " + s.at()
	}
	return "sign it as one of its identities: cosign sign " + s.at()
}

// summary says in one line why none of what was found counts.
func summary(what string, reasons []string) string {
	switch len(reasons) {
	case 0:
		return "it has no " + what
	case 1:
		return "its only " + what + " " + reasons[0]
	}
	times := map[string]int{}
	var distinct []string
	for _, r := range reasons {
		if times[r]++; times[r] == 1 {
			distinct = append(distinct, r)
		}
	}
	const shown = 4
	var parts []string
	for i, r := range distinct {
		if i == shown {
			parts = append(parts, "and more")
			break
		}
		part := "one " + r
		if times[r] > 1 {
			part += fmt.Sprintf(" (%d times)", times[r])
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("it has %d %ss and none that counts: %s", len(reasons), what, strings.Join(parts, "; "))
}
