package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/safe-run/safe-run/sandbox/image/source"
)

// verdict is what held when an image was checked.
type verdict struct {
	steps   []string
	expires time.Time
}

func (v verdict) lines() []string { return v.steps }

func (p *puller) check(ctx context.Context, found *source.Image) (verdict, error) {
	return verdict{}, ctx.Err()
}

func (p *puller) checkContents(ctx context.Context, found *source.Image, v *verdict) error {
	return ctx.Err()
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
