package image

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// leastID is how many digits of an id name an image: as many as lists show.
const leastID = 12

// idOf gives the hexadecimal digits of what may be the id of an image, as
// docker has it: a digest or its beginning, with or without sha256:. Empty when
// it is none.
func idOf(s string) string {
	id := strings.TrimPrefix(s, "sha256:")
	if len(id) < leastID || len(id) > 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// openByID opens the image of the store whose id begins with id: the digest of
// its config, as docker has it, or of its manifest. Both results are nil when
// there is none, or when an image has s as its name. An id says nothing about
// where an image came from, so it runs as one of its references, and only when
// the record of that one holds under the policy: nothing is fetched.
func openByID(ctx context.Context, s, id string, o Options) (*Image, error) {
	store, err := OpenStore(o.Store)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if ref, err := Parse(s); err == nil && store.Record(ref.Full()) != nil {
		return nil, nil
	}
	digests, err := store.withID(s, id)
	if digests == nil || err != nil {
		return nil, err
	}
	if o.Pull == PullAlways {
		return nil, problem.New("leave --pull always out, or write its name", "image %s is an id, which names what is in the store", s)
	}
	return openMeant(ctx, store, s, digests, o)
}

// withID gives the digests of the images with an id: several are one image
// that was found in several places.
func (s *Store) withID(name, id string) ([]string, error) {
	entries, err := s.Entries()
	if err != nil {
		return nil, problem.New("run as root, or name another directory with SAFE_RUN_STORE", "image store %s: %w", s.dir, err)
	}
	var digests, configs []string
	for _, e := range entries {
		if strings.HasPrefix(hexOf(e.ConfigRaw), id) || strings.HasPrefix(hexOf(e.Digest), id) || hexOf(e.Index) == id {
			digests, configs = append(digests, e.Digest), append(configs, e.ConfigRaw)
		}
	}
	slices.Sort(configs)
	if several := slices.Compact(configs); len(several) > 1 {
		return nil, problem.New("write more of it: "+several[0]+" or "+several[1], "%d images of the store begin with %s", len(several), name)
	}
	return digests, nil
}

// openMeant opens one of the images as the first reference that means it and
// whose record holds.
func openMeant(ctx context.Context, store *Store, s string, digests []string, o Options) (*Image, error) {
	trust, err := TrustHash(o.Trust)
	if err != nil {
		return nil, err
	}
	records, err := store.Records()
	if err != nil {
		return nil, problem.New("run as root, or name another directory with SAFE_RUN_STORE", "image store %s: %w", store.dir, err)
	}
	named := ""
	for _, r := range records {
		if !slices.Contains(digests, r.Digest) {
			continue
		}
		ref, err := Parse(r.Reference)
		if err != nil {
			continue
		}
		named = cmp.Or(named, ref.String())
		if !r.Holds(ref, o.Trust, trust, time.Now()) {
			continue
		}
		img, err := fromStore(ctx, ref, trust, o)
		if err != nil {
			return nil, err
		}
		if img != nil && img.Spec.Digest == r.Digest {
			img.Spec.Reference = s
			return img, nil
		}
		if img != nil { // the reference means another image since
			if err := img.Close(); err != nil {
				return nil, err
			}
		}
	}
	if named == "" {
		return nil, problem.New("bring it again by its name: safe-run image pull NAME", "image %s is in the store, but no name means it any more", s)
	}
	return nil, problem.New("run it by its name, which has it checked: safe-run "+named, "image %s is in the store as %s, and was not checked under this profile", s, quoteOdd(named))
}
