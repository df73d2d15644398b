// Package pull brings images into the store of the package image: it finds
// them, checks them, unpacks their layers and records what they are. It runs
// in a program of its own, safe-run-image, apart from the launcher.
//
// An image appears in the store whole or not at all, whatever happens while it
// is pulled: every blob is checked against its digest and every layer against
// its diff id, all of it is on disk before a name leads to it, and what an
// interrupted pull leaves behind is gone on with or swept by the next one.
package pull

import (
	"context"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Options says where to keep an image, what it must satisfy and how much is
// too much.
type Options struct {
	// Store is the directory of images; image.DefaultStore when empty.
	Store string
	// Trust is what the image must satisfy.
	Trust spec.Trust
	// Pull is image.PullMissing when empty.
	Pull image.Pull
	// Limits bounds the image; the zero value is bounds.Default.
	Limits bounds.Limits
	// Arch is the architecture wanted, as Go names it; this machine's when
	// empty.
	Arch string
	// Progress is told how the layers come along; may be nil. It may be called
	// from several goroutines at once.
	Progress func(Progress)
	// Note is told in a line what is being tried; may be nil.
	Note func(string)
	// Tell is told in a line what shall be known afterwards, too; may be nil.
	Tell func(string)
}

// Stage is what is happening to a layer.
type Stage string

// The stages of a layer, in their order.
const (
	Waiting   Stage = "waiting"
	Fetching  Stage = "fetching"
	Fetched   Stage = "fetched"
	Unpacking Stage = "unpacking"
	Done      Stage = "done"
	Present   Stage = "present" // nothing is to be done: the store has it
)

// Progress says how far one layer is.
type Progress struct {
	Layer, Layers int    // this layer, from 1, and how many there are
	Blob          string // its digest
	Stage         Stage
	Bytes, Total  int64 // of the blob, read in this stage; Total is -1 when it is not known
}

// Pull brings the image that reference names into the store, unless it is
// there and was checked against the same policy, and gives its record.
func Pull(ctx context.Context, reference string, o Options) (*image.Record, error) {
	ref, err := image.Parse(reference)
	if err != nil {
		return nil, err
	}
	if !ref.Stored() {
		return nil, problem.New("run it: safe-run "+reference, "image %s is used as it is and cannot be pulled", ref)
	}
	p, err := newPuller(ctx, o)
	if err != nil {
		return nil, explain(ref, err)
	}
	defer p.close()
	record, err := p.pull(ctx, ref)
	if err != nil {
		return nil, explain(ref, err)
	}
	return record, nil
}

// puller is one pull under way.
type puller struct {
	Options
	store *image.Store
	use   *image.Lock
	work  *workspace
}

func newPuller(ctx context.Context, o Options) (*puller, error) {
	if o.Limits == (bounds.Limits{}) {
		o.Limits = bounds.Default
	}
	if o.Arch == "" {
		o.Arch = runtime.GOARCH
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	store, err := image.CreateStore(o.Store)
	if err != nil {
		return nil, err
	}
	if err := tidy(ctx, store); err != nil {
		return nil, err
	}
	p := &puller{Options: o, store: store}
	if p.use, err = store.Use(ctx); err != nil {
		return nil, err
	}
	if p.work, err = newWorkspace(ctx, store); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *puller) close() {
	if p.work != nil {
		p.work.remove()
	}
	_ = p.use.Release() // a lock ends with its file, and closing a file that was only locked does not fail
}

func (p *puller) pull(ctx context.Context, ref image.Reference) (*image.Record, error) {
	key, err := image.Locate(ref)
	if err != nil {
		return nil, err
	}
	// Before anything is looked at: what changes meanwhile is looked at again.
	trust, err := image.TrustHash(p.Trust)
	if err != nil {
		return nil, err
	}
	record := p.store.Record(key)
	if record != nil && p.Pull != image.PullAlways && record.Holds(key, p.Trust, trust, time.Now()) && p.has(record.Digest) {
		return record, nil
	}
	if err := ownsFiles(); err != nil {
		return nil, err
	}
	found, err := p.find(ctx, key, record)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	checked, err := p.check(ctx, key, found)
	if err != nil {
		return nil, err
	}
	p.tellWhere(key, found)
	if err := p.take(ctx, found); err != nil {
		return nil, resumable(found, err)
	}
	if err := p.checkContents(ctx, found, checked); err != nil {
		return nil, err
	}
	if err := found.Unchanged(); err != nil {
		return nil, err
	}
	record = &image.Record{
		Digest: found.Digest.String(), Index: indexOf(found), Source: found.Stamps, Repository: found.Repository,
		Trust: trust, Verified: checked.lines(), Expires: checked.Expires, Pulled: time.Now().UTC().Truncate(time.Second),
	}
	if found.Reference != key {
		record.From = found.Reference.String()
	}
	return record, p.record(key, found.Reference, record)
}

// uid is whom this process acts as. Tests are others.
var uid = os.Geteuid

// ownsFiles refuses to begin what could not be ended: only root can give files
// to others.
func ownsFiles() error {
	if uid() == 0 {
		return nil
	}
	return problem.New(asRoot, "images cannot be unpacked by uid %d", uid())
}

// tellWhere says which engine of this host a bare name was found in, when the
// image is taken over from there.
func (p *puller) tellWhere(key image.Reference, found *source.Image) {
	at := found.Reference.Transport
	if p.Tell != nil && key.Transport == image.Named && at != image.Named && at != image.Docker && !p.has(found.Digest.String()) {
		p.Tell("found " + key.String() + " in " + at)
	}
}

// indexOf is the digest of the index that led to an image; empty when none did.
func indexOf(found *source.Image) string {
	if found.Index.Hex == "" {
		return ""
	}
	return found.Index.String()
}

// record writes what key means. What a bare name was found as in a registry is
// known by its full name too.
func (p *puller) record(key, found image.Reference, r *image.Record) error {
	if err := p.store.PutRecord(key, r); err != nil {
		return err
	}
	if key.Transport != image.Named || found.Transport != image.Docker {
		return nil
	}
	full := *r
	full.From = ""
	return p.store.PutRecord(found.Full(), &full)
}

func (p *puller) has(digest string) bool {
	entry := p.store.Entry(digest)
	return entry != nil && p.store.Complete(entry)
}

// find finds the image: the one of the record when only the policy has
// changed, so that what runs stays what it was; otherwise where it comes from.
func (p *puller) find(ctx context.Context, key image.Reference, record *image.Record) (*source.Image, error) {
	if record != nil && p.Pull != image.PullAlways && image.Fresh(record.Source) {
		if entry := p.store.Entry(record.Digest); entry != nil && p.store.Complete(entry) {
			if found, err := p.stored(key, record, entry); err == nil {
				return found, nil
			}
		}
	}
	found, err := source.Find(ctx, key, p.sourceOptions())
	if err == nil && key.Transport == image.Named {
		found.Reference = inFull(found.Reference, found.Repository)
	}
	return found, err
}

// inFull names an image of a registry by what registries.conf made of a short
// name: docker://app is always docker.io's.
func inFull(ref image.Reference, repository string) image.Reference {
	if ref.Transport == image.Docker && repository != "" {
		short, _, _ := ref.Name()
		ref.Path = repository + strings.TrimPrefix(ref.Path, short)
	}
	return ref
}

func (p *puller) sourceOptions() source.Options {
	return source.Options{
		Arch: p.Arch, Limits: p.Limits, Scratch: p.work.file,
		LocalOnly: p.Pull == image.PullNever, FilesFirst: p.Pull != image.PullAlways, Note: p.Note, Stored: p.storedAs,
	}
}
