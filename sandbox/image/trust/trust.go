// Package trust judges whether an image is what its policy asks for, before
// anything of it but its manifest is used. In this order, and each closed when
// in doubt:
//
//  1. registries: the image comes from one of them, or from below them;
//  2. digest: the reference names the digest;
//  3. policy.json: containers/image's own policy, where the host has one;
//  4. signatures: each that is asked for is there, by cosign's formats.
//
// What is beside an image (signatures, attestations) is hostile until a key or
// a certificate of the policy has verified it. Keys and trust roots are local
// files: nothing is fetched to verify with. What a key signed needs no log and
// no timestamp; what an identity signed needs what its trust root names.
//
// A signature is for a digest, never for a name. cosign writes a name into its
// older payloads (docker-reference) and does not check it, its newer bundles
// have none, and so it is not checked here: which keys may sign which images
// is for the profile to say. policy.json does check it, where it asks for
// signatures.
package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.podman.io/image/v5/types"

	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec"
)

// Validity is how long a verdict holds. It bounds how late a withdrawn key or
// a changed policy.json is noticed. Nothing in a signature that counts shortens
// it: a key has no end, and a certificate must only have been valid when the
// signature was made.
const Validity = 24 * time.Hour

// Subject is the image that is judged.
type Subject struct {
	// Reference is the image as it is shown to people and as policy.json scopes
	// it, such as docker://ghcr.io/acme/app:1 or oci:/srv/app:1.
	Reference string
	// Transport is what the reference starts with; docker for a registry.
	Transport string
	// Repository is what a registry knows the image as, such as
	// ghcr.io/acme/app; empty when none does.
	Repository string
	// Pinned says that the reference named a digest, of the manifest or of the
	// index that led to it.
	Pinned bool
	// Digests are that of the manifest, then that of the index that led to it,
	// if one did.
	Digests []v1.Hash
	// Made says that the manifest was made here, so that its digest is not the
	// one that was published.
	Made     bool
	Manifest []byte
	// Attached gives the artifacts that refer to a digest; nil when the source
	// keeps none.
	Attached func(context.Context, v1.Hash) ([]source.Attachment, error)

	// Store is podman's name of the store of a containers-storage image, such
	// as [overlay@/var/lib/containers/storage], which policy.json may scope by.
	Store string
	// PolicyFiles are where policy.json may be; the first that exists is the
	// policy. nil is DefaultPolicyFiles.
	PolicyFiles []string
	// Registry is how containers/image reaches the registry when policy.json
	// asks for signatures; nil is the host's own configuration.
	Registry *types.SystemContext
}

// Step is one check that held.
type Step struct {
	Name string `json:"name"` // "registry", "digest", "policy.json", "signature NAME"
	Held string `json:"held"` // by what
}

// Verdict is what was checked and found to hold.
type Verdict struct {
	Steps []Step `json:"steps,omitempty"`
	// Expires is when it must be checked again; zero when nothing was asked.
	Expires time.Time `json:"expires,omitzero"`
}

// Check judges the image by t and by the host's policy.json. An error says in
// one line which check does not hold and why.
func Check(ctx context.Context, t spec.Trust, s Subject) (Verdict, error) {
	if err := s.sound(); err != nil {
		return Verdict{}, err
	}
	var v Verdict
	for _, check := range []func(context.Context, spec.Trust, Subject) ([]Step, error){
		checkRegistry, checkDigest, checkPolicyFile, checkSignatures,
	} {
		steps, err := check(ctx, t, s)
		if err != nil {
			return Verdict{}, err
		}
		v.Steps = append(v.Steps, steps...)
	}
	if len(v.Steps) > 0 || !t.Zero() {
		v.Expires = time.Now().Add(Validity)
	}
	return v, nil
}

// sound refuses a subject whose manifest is not the one that is judged.
func (s Subject) sound() error {
	if len(s.Digests) == 0 {
		return fmt.Errorf("image %s has no digest to judge it by", plain(s.Reference))
	}
	if sum := sha256.Sum256(s.Manifest); s.Digests[0] != (v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}) {
		return fmt.Errorf("the manifest of image %s does not have the digest %s", plain(s.Reference), s.Digests[0])
	}
	return nil
}

// top is the digest that the reference led to: the index's where there is one.
func (s Subject) top() v1.Hash {
	return s.Digests[len(s.Digests)-1]
}

// at is how the image is named by its digest, as cosign takes it.
func (s Subject) at() string {
	if s.Repository == "" {
		return "IMAGE@" + s.top().String()
	}
	return plain(s.Repository) + "@" + s.top().String()
}
