package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// library is what the store holds, as far as it can be understood: a broken
// record is as good as none.
type library struct {
	store   *image.Store // nil when there is no store yet
	records []*image.Record
	entries map[string]*image.Entry
}

func openLibrary(dir string) (*library, error) {
	l := &library{entries: map[string]*image.Entry{}}
	store, err := image.OpenStore(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	l.store = store
	if l.records, err = store.Records(); err != nil {
		return nil, cannotRead(store, err)
	}
	entries, err := store.Entries()
	if err != nil {
		return nil, cannotRead(store, err)
	}
	for _, e := range entries {
		l.entries[e.Digest] = e
	}
	return l, nil
}

func cannotRead(s *image.Store, err error) error {
	return problem.New("run as root, or name another directory with SAFE_RUN_STORE", "image store %s: %w", s.Path(), err)
}

// match is an image of the store, as it was named.
type match struct {
	digest string
	// entry is nil when the store has only the reference.
	entry *image.Entry
	// record is of the reference that was written; nil when the image was
	// named by its digest.
	record *image.Record
}

// shortest is how much of a digest names an image.
const shortest = 4

// find finds an image by its reference, by its digest, or by the beginning of
// its digest or id: in this order, as docker does.
func (l *library) find(name string) (match, error) {
	if image.ValidDigest(name) {
		return l.byDigest(name, name)
	}
	ref, err := image.Parse(name)
	if err == nil {
		if record := l.record(ref); record != nil {
			return match{record.Digest, l.entries[record.Digest], record}, nil
		}
	}
	if m, byErr := l.byDigest(name, strings.TrimPrefix(name, "sha256:")); byErr != nil || m.digest != "" {
		return m, byErr
	}
	if err != nil {
		return match{}, err
	}
	if !ref.Stored() {
		return match{}, problem.New("run it: safe-run "+name+"; or give it a name: safe-run image import "+name+" NAME", "image %s is used as it is and is not in the store", ref)
	}
	return match{}, absent(name)
}

func absent(name string) error {
	return problem.New("safe-run image ls shows what there is, safe-run image pull "+name+" brings it", "there is no image %s in the store", name)
}

// record finds the record of a reference. A file that is gone is still known
// by its path.
func (l *library) record(ref image.Reference) *image.Record {
	key, err := image.Locate(ref)
	if err != nil {
		key = ref
	}
	wanted := []string{key.String(), image.Reference{Transport: image.Docker, Path: key.Path}.String()}
	if ref.Transport != image.Named {
		wanted = wanted[:1]
	}
	for _, name := range wanted {
		for _, r := range l.records {
			if r.Reference == name {
				return r
			}
		}
	}
	return nil
}

// byDigest finds the one image whose digest, or whose config's, begins with
// prefix; the match is empty when it is none's.
func (l *library) byDigest(name, prefix string) (match, error) {
	whole := image.ValidDigest(prefix)
	if !whole && (len(prefix) < shortest || strings.Trim(prefix, "0123456789abcdef") != "") {
		return match{}, nil
	}
	var found []string
	for _, e := range l.entries {
		if whole && (e.Digest == prefix || e.ConfigRaw == prefix || e.Index == prefix) ||
			!whole && (strings.HasPrefix(e.Digest, "sha256:"+prefix) || strings.HasPrefix(e.ConfigRaw, "sha256:"+prefix)) {
			found = append(found, e.Digest)
		}
	}
	switch {
	case len(found) == 1:
		return match{digest: found[0], entry: l.entries[found[0]]}, nil
	case len(found) > 1:
		slices.Sort(found)
		return match{}, problem.New("write more of it: "+strings.Join(found[:2], " or "), "%d images of the store begin with %s", len(found), name)
	case whole:
		for _, r := range l.records { // what is left of an image
			if r.Digest == prefix {
				return match{digest: prefix}, nil
			}
		}
		return match{}, absent(name)
	}
	return match{}, nil
}

// meaning are the records that mean an image.
func (l *library) meaning(digest string) (out []*image.Record) {
	for _, r := range l.records {
		if r.Digest == digest {
			out = append(out, r)
		}
	}
	return out
}

// aliases are the records of one name of one image: what a bare name was found
// as is recorded beside it.
func (l *library) aliases(r *image.Record) (out []*image.Record) {
	for _, o := range l.meaning(r.Digest) {
		if o == r || sourceOf(o) == sourceOf(r) && sameName(o, r) {
			out = append(out, o)
		}
	}
	return out
}

// names are the records that mean an image, each name once: the bare one.
func (l *library) names(digest string) (out []*image.Record) {
	for _, r := range l.meaning(digest) {
		bare := func(o *image.Record) bool { return o.From != "" }
		if bare(r) || !slices.ContainsFunc(l.aliases(r), bare) {
			out = append(out, r)
		}
	}
	return out
}

// sourceOf is where an image was found.
func sourceOf(r *image.Record) string { return cmp.Or(r.From, r.Reference) }

// sameName says whether two records show the same in docker's two columns.
func sameName(a, b *image.Record) bool {
	x, errX := image.Parse(a.Reference)
	y, errY := image.Parse(b.Reference)
	if errX != nil || errY != nil {
		return false
	}
	repository, tag := named(x)
	r, t := named(y)
	return repository == r && tag == t
}

// whole finds an image that is all there.
func (l *library) whole(name string) (match, error) {
	m, err := l.find(name)
	if err == nil && (m.entry == nil || !l.store.Complete(m.entry)) {
		err = problem.New("bring it again: safe-run image pull "+name, "image %s is not whole in the store", name)
	}
	return m, err
}
