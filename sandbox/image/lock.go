package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lock is a flock(2) on a file of the store. The kernel releases it when the
// process ends, however it ends.
type Lock struct {
	f *os.File
}

// lockPoll is how often a lock that somebody else holds is tried again.
const lockPoll = 20 * time.Millisecond

// Share takes the lock of an image together with others that use it: it is
// not removed while the lock is held.
func (s *Store) Share(ctx context.Context, digest string) (*Lock, error) {
	return s.lockDigest(ctx, "", digest, unix.LOCK_SH)
}

// Exclude takes the lock of an image alone, to remove it; nil when somebody
// uses it.
func (s *Store) Exclude(digest string) (*Lock, error) {
	if !ValidDigest(digest) {
		return nil, fmt.Errorf("lock of %q: not a digest", digest)
	}
	f, err := s.lockFile(fileName(digest))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("flock %s: %w", f.Name(), err)
	}
	return &Lock{f: f}, nil
}

// LockLayer takes the lock of a layer, to make it.
func (s *Store) LockLayer(ctx context.Context, chain string) (*Lock, error) {
	return s.lockDigest(ctx, "layer-", chain, unix.LOCK_EX)
}

// LockBlob takes the lock of a blob, to fetch it.
func (s *Store) LockBlob(ctx context.Context, digest string) (*Lock, error) {
	return s.lockDigest(ctx, "blob-", digest, unix.LOCK_EX)
}

// Use keeps what no record names yet from being collected.
func (s *Store) Use(ctx context.Context) (*Lock, error) {
	return s.lock(ctx, "store", unix.LOCK_SH)
}

// Alone waits until nobody adds to the store.
func (s *Store) Alone(ctx context.Context) (*Lock, error) {
	return s.lock(ctx, "store", unix.LOCK_EX)
}

func (s *Store) lockDigest(ctx context.Context, kind, digest string, how int) (*Lock, error) {
	if !ValidDigest(digest) {
		return nil, fmt.Errorf("lock of %q: not a digest", digest)
	}
	return s.lock(ctx, kind+fileName(digest), how)
}

func (s *Store) lockFile(name string) (*os.File, error) {
	return os.OpenFile(s.path("locks", name), os.O_RDONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
}

func (s *Store) lock(ctx context.Context, name string, how int) (*Lock, error) {
	f, err := s.lockFile(name)
	if err != nil {
		return nil, err
	}
	if err := Flock(ctx, f, how); err != nil {
		f.Close()
		return nil, err
	}
	return &Lock{f: f}, nil
}

// Release gives the lock back. It may be called more than once, and on nil.
func (l *Lock) Release() error {
	if l == nil || l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	return f.Close()
}

// Flock waits for a flock(2) on f until ctx is done. It polls, because a
// blocked flock cannot be interrupted from Go.
func Flock(ctx context.Context, f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("flock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the lock %s: %w", f.Name(), ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}
