package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// manifestTypes is what we ask for, best first.
var manifestTypes = strings.Join([]string{
	string(types.OCIManifestSchema1), string(types.OCIImageIndex),
	string(types.DockerManifestSchema2), string(types.DockerManifestList),
}, ", ")

// choose finds the image for linux and arch, through indexes.
func (e *endpoint) choose(ctx context.Context, arch string) (*Image, error) {
	tag, err := wanted(e.ref)
	if err != nil {
		return nil, err
	}
	d, data, err := e.manifest(ctx, tag)
	if err != nil {
		return nil, err
	}
	return resolve(endpointReader{ctx, e}, d, data, arch)
}

// listed gets a manifest that an index lists.
func (e *endpoint) listed(ctx context.Context, d v1.Descriptor) (v1.Descriptor, []byte, error) {
	if err := identified(d, "manifest"); err != nil {
		return d, nil, err
	}
	got, data, err := e.manifest(ctx, d.Digest.String())
	switch {
	case err != nil:
		return d, nil, err
	case d.Size != got.Size:
		return d, nil, corrupt("manifest", fmt.Sprintf("it has %d bytes, not %d", got.Size, d.Size))
	case d.MediaType != "" && got.MediaType != "" && got.MediaType != d.MediaType:
		return d, nil, problem.New(badManifest, "the manifest %s is referred to as %s, but is served as %s", d.Digest, oneLine(string(d.MediaType)), oneLine(string(got.MediaType)))
	case d.MediaType == "":
		d.MediaType = got.MediaType
	}
	return d, data, nil
}

// manifest gets what a tag or a digest is, and checks it against the digest
// that was asked for and the one that the registry says.
func (e *endpoint) manifest(ctx context.Context, tag string) (v1.Descriptor, []byte, error) {
	data, header, err := e.document(ctx, request{path: "manifests/" + tag, accept: manifestTypes}, bounds.Metadata)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	d := v1.Descriptor{Digest: hashBytes(data), Size: int64(len(data))}
	for _, want := range []string{tag, header.Get("Docker-Content-Digest")} {
		if strings.HasPrefix(want, "sha256:") && want != d.Digest.String() {
			return d, nil, corrupt("manifest", fmt.Sprintf("its digest is %s, not %s", d.Digest, oneLine(want)))
		}
	}
	if d.MediaType, err = manifestType(header, data); err != nil {
		return d, nil, err
	}
	return d, data, nil
}

// manifestType goes by the Content-Type. Where that is a general one, which
// some proxies send, the document says what it is.
func manifestType(h http.Header, data []byte) (types.MediaType, error) {
	plain := mediaType(h)
	var body struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     types.MediaType `json:"mediaType"`
	}
	if err := decode(data, &body, "manifest"); err != nil {
		if strings.HasPrefix(plain, "text/html") {
			return "", problem.New("check the name of the registry", "it answered with a web page, not with a manifest")
		}
		return "", err
	}
	t := types.MediaType(plain)
	switch plain {
	case "", "application/json", "application/octet-stream", "text/plain":
		t = body.MediaType
	}
	switch {
	case t.IsSchema1() || body.MediaType.IsSchema1() || body.SchemaVersion == 1:
		return "", problem.New("push it again with a current docker or podman", "its manifest is of schema 1, which no digest protects and docker gave up")
	case t != "" && !t.IsIndex() && !t.IsImage():
		return "", problem.New(noImage, "it is no container image but %q", oneLine(string(t)))
	case body.MediaType != "" && body.MediaType != t:
		return "", problem.New(badManifest, "its manifest says it is %q, but is served as %q", oneLine(string(body.MediaType)), t)
	}
	return t, nil
}

// mediaType is the Content-Type without its parameters; empty when it cannot
// be read.
func mediaType(h http.Header) string {
	plain, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return plain
}

// small gets a blob that is kept in memory, and checks it.
func (e *endpoint) small(ctx context.Context, d v1.Descriptor, what string) ([]byte, error) {
	if err := identified(d, what); err != nil {
		return nil, err
	}
	if d.Size < 0 || d.Size > bounds.Metadata {
		return nil, tooLarge(what, d.Size)
	}
	data, _, err := e.document(ctx, request{path: "blobs/" + d.Digest.String()}, d.Size)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != d.Size {
		return nil, corrupt(what, fmt.Sprintf("it has %d bytes, not %d", len(data), d.Size))
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != d.Digest.Hex {
		return nil, corrupt(what, fmt.Sprintf("its digest is sha256:%x, not %s", sum, d.Digest))
	}
	return data, nil
}

// endpointReader reads an endpoint as a reader does.
type endpointReader struct {
	ctx context.Context
	e   *endpoint
}

func (r endpointReader) manifest(d v1.Descriptor) (v1.Descriptor, []byte, error) {
	return r.e.listed(r.ctx, d)
}

func (r endpointReader) blob(d v1.Descriptor, what string) ([]byte, error) {
	return r.e.small(r.ctx, d, what)
}

func (r endpointReader) layer(d v1.Descriptor) opener { return r.e.layer(d) }
