package source

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// found is an artifact that is listed somewhere.
type found struct {
	v1.Descriptor
	from string
	data []byte // of its manifest, when that was read
}

// gathering reads artifacts within the bounds.
type gathering struct {
	from    reader
	subject v1.Hash
	note    func(string, ...any)
	all     []Attachment
	bytes   int64
}

// artifact is as much of a manifest as matters here.
type artifact struct {
	MediaType    types.MediaType   `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Config       v1.Descriptor     `json:"config"`
	Layers       []v1.Descriptor   `json:"layers"`
	Subject      *v1.Descriptor    `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
}

// listOf reads a list of artifacts.
func listOf(data []byte, from string) ([]found, error) {
	var index v1.IndexManifest
	if both(data) {
		return nil, problem.New(badManifest, "its list of what is attached could be read as an image")
	}
	if err := decode(data, &index, "list of what is attached"); err != nil {
		return nil, err
	}
	var all []found
	for _, d := range index.Manifests {
		if len(all) > maxAttached {
			break // one more than are allowed, to be refused
		}
		if err := identified(d, "attached manifest"); err != nil {
			return nil, err
		}
		if d.MediaType.IsImage() {
			all = append(all, found{Descriptor: d, from: from})
		}
	}
	return all, nil
}

func (g *gathering) addAll(list []found) error {
	for _, f := range list {
		if g.has(f.Digest) {
			continue
		}
		if len(g.all) == maxAttached {
			return tooManyAttached("more than %d artifacts", maxAttached)
		}
		if err := g.add(f); err != nil {
			return err
		}
	}
	return nil
}

func (g *gathering) has(digest v1.Hash) bool {
	for _, a := range g.all {
		if a.Digest == digest {
			return true
		}
	}
	return false
}

func (g *gathering) add(f found) error {
	if f.data == nil {
		if err := g.charge(f.Size); err != nil {
			return err
		}
		_, data, err := g.from.manifest(f.Descriptor)
		if err != nil {
			return err
		}
		f.data = data
	}
	var m artifact
	if both(f.data) {
		return problem.New(badManifest, "the manifest %s could be read as an image and as an index", f.Digest)
	}
	if err := decode(f.data, &m, "attached manifest"); err != nil {
		return err
	}
	if m.Subject != nil && m.Subject.Digest != g.subject {
		return nil // it is attached to something else
	}
	if len(m.Layers) > maxAttachedBlobs {
		return tooManyAttached("an artifact of more than %d blobs", maxAttachedBlobs)
	}
	a := Attachment{Digest: f.Digest, ArtifactType: m.ArtifactType, Annotations: m.Annotations, From: f.from}
	if a.ArtifactType == "" {
		a.ArtifactType = string(m.Config.MediaType)
	}
	return g.read(a, m.Layers)
}

// read reads the blobs of a. An artifact with a very large one, such as a bill
// of materials, is left out: nothing that decides over an image is so large,
// and what is left out can only be missed.
func (g *gathering) read(a Attachment, layers []v1.Descriptor) error {
	for _, d := range layers {
		if d.Size > maxAttachedBlob {
			g.note("artifact %s is left out: it has a blob of %s", a.Digest, bounds.Size(d.Size))
			return nil
		}
	}
	for _, d := range layers {
		if err := g.charge(d.Size); err != nil {
			return err
		}
		data, err := g.from.blob(d, "attached blob")
		if err != nil {
			return err
		}
		a.Blobs = append(a.Blobs, Blob{MediaType: string(d.MediaType), Annotations: d.Annotations, Data: data})
	}
	g.all = append(g.all, a)
	return nil
}

func (g *gathering) charge(size int64) error {
	if size < 0 || size > bounds.Metadata {
		return tooLarge("an attached manifest or blob", size)
	}
	if g.bytes += size; g.bytes > maxAttachedBytes {
		return tooManyAttached("more than %s", bounds.Size(maxAttachedBytes))
	}
	return nil
}

func tooManyAttached(format string, args ...any) error {
	return problem.New("remove what is not needed from beside the image", "attached to it is "+format, args...)
}
