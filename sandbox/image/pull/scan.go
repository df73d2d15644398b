package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/sandbox/image/vuln"
	"github.com/safe-run/safe-run/spec/problem"
)

// scan has an installed scanner look at an image of the store, and judges what
// it finds.
func (p *puller) scan(ctx context.Context, found *source.Image, checked *Checked) error {
	scanner, err := vuln.FindScanner()
	if err != nil {
		hint := problem.HintOf(err)
		if checked.reported {
			hint = problem.HintOf(checked.pending) // a scanner is not how this image is judged
		}
		return problem.New(hint, "%w; %w", checked.pending, err)
	}
	dir, err := p.layout(found)
	if err != nil {
		return fmt.Errorf("lay the image out for %s: %w", scanner.Name, err)
	}
	if p.Note != nil {
		p.Note("looking for vulnerabilities with " + scanner.Name)
	}
	report, err := vuln.Scan(ctx, dir, scanner)
	if err != nil {
		return err
	}
	checked.pending = nil
	return p.judge(found, []vuln.Report{report}, checked)
}

// layout makes an OCI layout of an image whose blobs are in the store, by hard
// links.
func (p *puller) layout(found *source.Image) (string, error) {
	if err := p.work.discard("layout"); err != nil {
		return "", err
	}
	dir, err := p.work.mkdir("layout", 0o700)
	if err != nil {
		return "", err
	}
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return "", err
	}
	digests := []string{found.Digest.String(), digestOf(found.Config)}
	for _, l := range found.Layers {
		digests = append(digests, l.Digest.String())
	}
	for _, d := range digests {
		from := p.store.Blob(d)
		if err := os.Link(from, filepath.Join(blobs, filepath.Base(from))); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
	}
	index, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{{
		MediaType: found.MediaType, Size: int64(len(found.Manifest)), Digest: found.Digest,
	}}})
	if err != nil {
		return "", err
	}
	return dir, errors.Join(
		os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o600),
		os.WriteFile(filepath.Join(dir, "index.json"), index, 0o600))
}
