package source

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/spec/problem"
)

// maxNesting bounds indexes inside indexes: an index of one image for several
// platforms inside another is two.
const maxNesting = 4

// reader reads what a descriptor leads to, checked against it.
type reader interface {
	// manifest reads a manifest or an index. Its media type is known then, if
	// it is anywhere.
	manifest(v1.Descriptor) (v1.Descriptor, []byte, error)
	// blob reads a small blob; what says in errors what it is.
	blob(d v1.Descriptor, what string) ([]byte, error)
	layer(v1.Descriptor) opener
}

// resolve finds the image for linux and arch: the manifest data of d, or what
// it leads to when it is an index.
func resolve(from reader, d v1.Descriptor, data []byte, arch string) (*Image, error) {
	var outer v1.Hash
	for range maxNesting {
		if both(data) {
			return nil, problem.New(badManifest, "the manifest %s could be read as an image and as an index", d.Digest)
		}
		if !isIndex(d, data) {
			found, err := readImage(from, d, data, arch)
			if err == nil {
				found.Index = outer
			}
			return found, err
		}
		// A signature may be of the outermost index: it leads to all others.
		if outer == (v1.Hash{}) {
			outer = d.Digest
		}
		var index v1.IndexManifest
		err := decode(data, &index, "index")
		if err == nil {
			d, err = forPlatform(index.Manifests, arch)
		}
		if err == nil {
			d, data, err = from.manifest(d)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, problem.New(badManifest, "more than %d indexes inside each other", maxNesting)
}

// isIndex goes by the descriptor, and by the document where the descriptor
// does not say.
func isIndex(d v1.Descriptor, data []byte) bool {
	if d.MediaType != "" {
		return d.MediaType.IsIndex()
	}
	var body struct {
		MediaType types.MediaType `json:"mediaType"`
		Manifests []v1.Descriptor `json:"manifests"`
	}
	return decode(data, &body, "") == nil && (body.MediaType.IsIndex() || len(body.Manifests) > 0)
}

// readImage reads the manifest data of d and its config.
func readImage(from reader, d v1.Descriptor, data []byte, arch string) (*Image, error) {
	m, err := parseManifest(d, data)
	if err != nil {
		return nil, err
	}
	raw, err := from.blob(m.Config, "config")
	if err != nil {
		return nil, err
	}
	return assemble(documents{d, data, m, raw}, arch, from.layer)
}
