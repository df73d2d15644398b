package pull

import (
	"context"
	"errors"
	"time"

	"github.com/safe-run/safe-run/sandbox/image"
)

// oldAge is how long unfinished blobs are kept to be gone on with.
const oldAge = 24 * time.Hour

// tidy removes what interrupted pulls have left, as far as nobody is at work:
// workspaces at once, and what no image refers to when it is a day old.
func tidy(ctx context.Context, store *image.Store) error {
	if err := sweep(ctx, store); err != nil {
		return err
	}
	alone, err := store.TryAlone()
	if alone == nil || err != nil {
		return err
	}
	_, err = store.Collect(time.Now().Add(-oldAge))
	return errors.Join(err, alone.Release())
}
