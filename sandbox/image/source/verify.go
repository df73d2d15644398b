package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/exact"
	"github.com/safe-run/safe-run/spec/problem"
)

// readWhole reads a small file of a layout, at most bounds.Metadata bytes.
func readWhole(b blobs, name string) ([]byte, error) {
	r, n, err := b.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if n > bounds.Metadata {
		return nil, tooLarge(name, n)
	}
	data, err := io.ReadAll(io.LimitReader(r, bounds.Metadata+1))
	if err != nil {
		return nil, err
	}
	if len(data) > bounds.Metadata {
		return nil, tooLarge(name, int64(len(data)))
	}
	return data, nil
}

func tooLarge(name string, n int64) error {
	return problem.New(badManifest, "%s has %s; at most %s are read", name, bounds.Size(n), bounds.Size(bounds.Metadata))
}

// readBlob reads a manifest, an index or a config and checks it against the
// descriptor that led to it.
func readBlob(b blobs, d v1.Descriptor, what string) ([]byte, error) {
	if err := identified(d, what); err != nil {
		return nil, err
	}
	data, err := readWhole(b, blobPath(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, dangling(what, d.Digest)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if int64(len(data)) != d.Size {
		return nil, corrupt(what, fmt.Sprintf("it has %d bytes, not %d", len(data), d.Size))
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != d.Digest.Hex {
		return nil, corrupt(what, fmt.Sprintf("its digest is sha256:%s, not %s", got, d.Digest))
	}
	return data, nil
}

// identified refuses a descriptor without a digest: anything would do for it.
func identified(d v1.Descriptor, what string) error {
	if d.Digest == (v1.Hash{}) {
		return problem.New(badManifest, "the %s is referred to by no digest", what)
	}
	return nil
}

// blobPath is where a layout keeps a blob. A v1.Hash that was parsed has
// nothing but hexadecimal digits.
func blobPath(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

func dangling(what string, h v1.Hash) error {
	return problem.New("copy the image again, with all its blobs", "the %s %s is referred to but is not there", what, h)
}

func corrupt(what, how string) error {
	return problem.New("copy the image again", "the %s is damaged: %s", what, how)
}

// decode reads JSON that has one meaning: two readers that disagree where a
// document ends, or which of two members counts, see two images.
func decode(data []byte, into any, what string) error {
	if err := exact.Unmarshal(data, into); err != nil {
		return problem.New(badManifest, "the %s is malformed: %s", what, oneLine(err.Error()))
	}
	return nil
}

// both matches a document that could be read as a manifest and as an index
// (CVE-2021-41190).
func both(data []byte) bool {
	var keys struct{ Manifests, Layers, Config json.RawMessage }
	return json.Unmarshal(data, &keys) == nil && len(keys.Manifests) > 0 &&
		(len(keys.Layers) > 0 || len(keys.Config) > 0)
}

// digester hashes and counts what is read through it.
type digester struct {
	r   io.Reader
	sum hash.Hash
	n   int64
}

func newDigester(r io.Reader) *digester { return &digester{r: r, sum: sha256.New()} }

func (d *digester) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.sum.Write(p[:n])
	d.n += int64(n)
	return n, err
}

func (d *digester) digest() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// hashOf reads r to its end and gives its digest.
func hashOf(r io.Reader) (v1.Hash, error) {
	d := newDigester(r)
	_, err := io.Copy(io.Discard, d)
	return v1.Hash{Algorithm: "sha256", Hex: d.digest()}, err
}

func hashBytes(b []byte) v1.Hash {
	h, _ := hashOf(bytes.NewReader(b)) // a bytes.Reader does not fail
	return h
}
