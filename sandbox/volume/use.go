package volume

import (
	"context"
	"errors"
	"os"

	"github.com/safe-run/safe-run/spec/problem"
)

// Use is how a container uses a volume.
type Use struct {
	Options // of the volume, when it is missing
	// UID and GID, as the container numbers them, are whose the volume is when
	// nothing else says so.
	UID, GID uint32
	// Mapped: the container's ids are not those of the host.
	Mapped bool
	// Content opens what the image has where the volume will be; nil where the
	// volume is to stay empty. It may give nil.
	Content func() (*os.Root, error)
}

// Hold keeps a volume from being removed, until it is closed or its process
// ends.
type Hold struct {
	Volume
	// Created says that it was made for this use, and Filled that the image's
	// content was put into it.
	Created, Filled bool
	lock            *os.File
}

// Close lets go of the volume; again, it does nothing.
func (h *Hold) Close() error {
	if h.lock == nil {
		return nil
	}
	err := h.lock.Close()
	h.lock = nil
	return err
}

// Hold takes hold of a volume for a container, makes it when it is missing,
// and gives it its first owner and content.
func (s *Store) Hold(ctx context.Context, u Use) (*Hold, error) {
	for {
		_, created, err := s.Create(u.Options)
		if err != nil {
			return nil, err
		}
		h := &Hold{Created: created}
		err = s.edit(ctx, u.Name, func(dir int) error { return s.hold(ctx, dir, u, h) })
		switch {
		case errors.Is(err, ErrNotFound):
			continue // it was removed just now
		case err != nil:
			return nil, errors.Join(err, h.Close())
		}
		return h, nil
	}
}

// hold is Hold while nobody else changes the volume.
func (s *Store) hold(ctx context.Context, dir int, u Use, h *Hold) error {
	v, err := read(dir, u.Name)
	if err != nil {
		return err
	}
	if v.Size > 0 && !u.Mapped {
		// The root of such a container could leave the project.
		return problem.New("run it on a host that has user namespaces, or use a volume without a size",
			"volume %s: %w for a container without a user namespace", u.Name, ErrNoSize)
	}
	data, err := openData(dir, u.Name)
	if err != nil {
		return err
	}
	defer data.Close()
	if err := s.checkSize(data, v); err != nil {
		return err
	}
	alone := !held(dir)
	if h.lock, err = takeLock(dir); err != nil {
		return err
	}
	h.Volume = v
	if empty, err := isEmpty(data); err != nil || !empty || !alone {
		return errors.Join(err, s.used(dir, h))
	}
	if h.Filled, err = s.fill(ctx, dir, u, v); err != nil {
		return err
	}
	if v.Fresh && !h.Filled {
		if err := data.Chown(int(u.UID), int(u.GID)); err != nil {
			return err
		}
	}
	return s.used(dir, h)
}

// used writes down that a volume is not fresh any more.
func (s *Store) used(dir int, h *Hold) error {
	if !h.Fresh {
		return nil
	}
	h.Fresh = false
	return writeRecord(dir, h.Volume)
}
