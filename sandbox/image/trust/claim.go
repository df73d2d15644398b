package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// What cosign writes to say what its signature means.
const (
	// simpleType is critical.type of a simple signing payload.
	simpleType = "cosign container image signature"
	// signPredicate is the predicate type of a statement that is a signature.
	// Any other predicate says something about the image: that somebody scanned
	// it, or built it, is no approval.
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
)

// maxSubjects bounds what one statement may be about.
const maxSubjects = 1024

// claim is what a signed payload says, whether or not the signature is good.
type claim struct {
	predicateType string    // signPredicate for a signature
	subjects      []v1.Hash // what it is about
	predicate     json.RawMessage
}

// about gives the first of the digests that the claim is about.
func (c claim) about(digests []v1.Hash) (v1.Hash, bool) {
	for _, d := range digests {
		if slices.Contains(c.subjects, d) {
			return d, true
		}
	}
	return v1.Hash{}, false
}

// readSimple reads a simple signing payload, the older of cosign's formats:
// https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
func readSimple(payload []byte) (claim, error) {
	members, err := object(payload)
	if err != nil {
		return claim{}, err
	}
	kind, err := text(members, "critical", "type")
	if err != nil {
		return claim{}, err
	}
	if kind != simpleType {
		return claim{}, fmt.Errorf("its critical.type is %q, not %q", plain(kind), simpleType)
	}
	digest, err := text(members, "critical", "image", "docker-manifest-digest")
	if err != nil {
		return claim{}, err
	}
	hash, err := v1.NewHash(digest)
	if err != nil {
		return claim{}, fmt.Errorf("its digest %q is none", plain(digest))
	}
	return claim{predicateType: signPredicate, subjects: []v1.Hash{hash}}, nil
}

// readStatement reads an in-toto statement:
// https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
func readStatement(payload []byte) (claim, error) {
	members, err := object(payload)
	if err != nil {
		return claim{}, err
	}
	kind, err := text(members, "_type")
	if err != nil {
		return claim{}, err
	}
	if kind != "https://in-toto.io/Statement/v1" && kind != "https://in-toto.io/Statement/v0.1" {
		return claim{}, fmt.Errorf("its _type is %q, not an in-toto statement", plain(kind))
	}
	c := claim{predicate: members["predicate"]}
	if c.predicateType, err = text(members, "predicateType"); err != nil {
		return claim{}, err
	}
	c.subjects, err = readSubjects(members["subject"])
	return c, err
}

// readSubjects reads the SHA-256 digests that a statement is about.
func readSubjects(data json.RawMessage) ([]v1.Hash, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, errors.New("its subject is not a list")
	}
	if len(list) > maxSubjects {
		return nil, fmt.Errorf("it has %d subjects; at most %d are read", len(list), maxSubjects)
	}
	var out []v1.Hash
	for _, one := range list {
		members, err := object(one)
		if err != nil {
			return nil, fmt.Errorf("its subject: %w", err)
		}
		digest, err := text(members, "digest", "sha256")
		if err != nil {
			continue // it is about something that has another kind of digest
		}
		if hash, err := v1.NewHash("sha256:" + digest); err == nil {
			out = append(out, hash)
		}
	}
	return out, nil
}
