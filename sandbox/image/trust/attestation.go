package trust

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// ErrNone is what the error of Attestations wraps when the image has no
// attestation that counts, as opposed to one that could not be looked for.
var ErrNone = errors.New("no attestation")

// Statement is a verified in-toto statement about an image.
type Statement struct {
	PredicateType string
	Predicate     json.RawMessage
	// Payload is the whole statement, as it was signed.
	Payload []byte
	// Digest is the one of the subject's that it is about.
	Digest v1.Hash
	// Entry is the policy's entry whose key or identity signed it, from 0,
	// Signer its name, By which of its keys or identities.
	Entry      int
	Signer, By string
}

// Attestations gives the statements of these predicate types about the image
// that are signed as t.Signatures asks: there is one by each entry, because the
// entries may be of several policies (an administrator's and a user's), and
// none of them may speak for another. It never gives none without an error that
// says why.
func Attestations(ctx context.Context, t spec.Trust, s Subject, predicateTypes ...string) ([]Statement, error) {
	name := plain(s.Reference)
	if err := s.sound(); err != nil {
		return nil, err
	}
	if len(t.Signatures) == 0 {
		return nil, none("say whose count, in image.signatures of the profile", "no attestation of image "+name+" can be verified: the profile asks for no signature")
	}
	signers, err := newSigners(t.Signatures)
	if err != nil {
		return nil, err
	}
	if s.Made || s.Attached == nil {
		return nil, none("run it from its registry", "image "+name+" has no attestation: "+plain(s.Transport)+" keeps none")
	}
	all, err := found(ctx, s)
	if err != nil {
		return nil, err
	}
	var wanted []signed
	for _, one := range all {
		if one.broken != "" || slices.Contains(predicateTypes, one.claim.predicateType) {
			wanted = append(wanted, one)
		}
	}
	var out []Statement
	for n, who := range signers {
		statements, reasons := who.attested(wanted, s.Digests)
		if len(statements) == 0 {
			return nil, none("attest it: cosign attest --key KEY --type TYPE --predicate FILE "+s.at(),
				"image "+name+" has no attestation of type "+plain(strings.Join(predicateTypes, ", "))+" as \""+plain(who.name)+"\" asks: "+summary("attestation", reasons))
		}
		for _, s := range statements {
			s.Entry = n
			out = append(out, s)
		}
	}
	return out, nil
}

// none is an error that wraps ErrNone.
func none(hint, what string) error {
	return &problem.Error{What: what, Hint: hint, Err: ErrNone}
}

// attested gives the statements that w signed, and why the others do not count.
func (w signer) attested(all []signed, digests []v1.Hash) (out []Statement, reasons []string) {
	for _, one := range all {
		held, reason := "", one.broken
		switch {
		case reason != "":
			reason = "cannot be read: " + reason
		case one.simple:
			reason = "is a signature"
		default:
			held, reason = w.verify(one, digests)
		}
		if reason != "" {
			reasons = append(reasons, reason)
			continue
		}
		digest, _ := one.claim.about(digests)
		out = append(out, Statement{
			PredicateType: one.claim.predicateType, Predicate: one.claim.predicate, Payload: one.payload,
			Digest: digest, Signer: w.name, By: held,
		})
	}
	return out, reasons
}
