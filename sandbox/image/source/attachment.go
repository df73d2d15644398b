package source

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Attachment is an artifact that refers to an image: a signature, a sigstore
// bundle, an attestation, a bill of materials. Nothing in it is trusted but
// that its blobs have the digests that its manifest says.
type Attachment struct {
	// Digest is that of the artifact's manifest.
	Digest v1.Hash
	// ArtifactType is the manifest's artifactType, or else the media type of
	// its config.
	ArtifactType string
	// Annotations are the manifest's own.
	Annotations map[string]string
	Blobs       []Blob
	// From says where it was found: "referrers", "tag sha256-...sig".
	From string
}

// Blob is one blob of an attachment, at most 4 MiB.
type Blob struct {
	MediaType   string
	Annotations map[string]string
	Data        []byte
}
