package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// How much may be attached to one image.
const (
	maxAttached      = 64       // artifacts
	maxAttachedBlobs = 64       // of one artifact
	maxAttachedBlob  = 4 << 20  // bytes of one blob; an artifact with a larger one is left out
	maxAttachedBytes = 32 << 20 // of all blobs and manifests
	maxReferrerPages = 8
)

// attached finds what is attached to an image at its registry.
type attached struct {
	e    *endpoint
	note func(string, ...any)
}

// to gives the artifacts that refer to subject: by the referrers API or the
// tag that stands in for it (OCI distribution 1.1), and by cosign's tags.
func (a attached) to(ctx context.Context, subject v1.Hash) ([]Attachment, error) {
	tag := strings.ReplaceAll(subject.String(), ":", "-")
	searches := []func() ([]found, error){
		func() ([]found, error) { return a.referrers(ctx, subject, tag) },
		func() ([]found, error) { return a.tagged(ctx, tag+".sig") },
		func() ([]found, error) { return a.tagged(ctx, tag+".att") },
	}
	lists, errs := make([][]found, len(searches)), make([]error, len(searches))
	var all sync.WaitGroup
	for n, search := range searches {
		all.Go(func() { lists[n], errs[n] = search() })
	}
	all.Wait()
	g := gathering{from: endpointReader{ctx, a.e}, subject: subject, note: a.note}
	for n := range lists {
		if errs[n] == nil {
			errs[n] = g.addAll(lists[n])
		}
		if errs[n] != nil {
			return nil, a.explain(subject, errs[n])
		}
	}
	return g.all, nil
}

func (a attached) explain(subject v1.Hash, err error) error {
	err = a.e.explain(err)
	if hint := problem.HintOf(err); hint != "" {
		return problem.New(hint, "what is attached to %s cannot be read: %w", subject, err)
	}
	return fmt.Errorf("what is attached to %s cannot be read: %w", subject, err)
}

// referrers asks the API, or reads the tag that stands in for it.
func (a attached) referrers(ctx context.Context, subject v1.Hash, tag string) ([]found, error) {
	r := request{path: "referrers/" + subject.String(), accept: string(types.OCIImageIndex)}
	var all []found
	for range maxReferrerPages {
		data, header, err := a.e.document(ctx, r, bounds.Metadata)
		if len(all) == 0 && (lacksAPI(err) || err == nil && mediaType(header) != string(types.OCIImageIndex)) {
			return a.standIn(ctx, tag)
		}
		if err != nil {
			return nil, err
		}
		page, err := listOf(data, "referrers")
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		next, err := nextPage(header.Get("Link"), a.e.url(r))
		if err != nil || next == "" || len(all) > maxAttached {
			return all, err
		}
		r = request{path: next, accept: r.accept, isURL: true}
	}
	return nil, problem.New(brokenRegistry, "its list of what is attached has more than %d pages", maxReferrerPages)
}

// lacksAPI matches how registries answer that do not know of referrers.
func lacksAPI(err error) bool {
	var status *statusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.code {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return true
	}
	return false
}

// standIn reads the index that clients keep at a tag where the registry has no
// API.
func (a attached) standIn(ctx context.Context, tag string) ([]found, error) {
	d, data, err := a.e.manifest(ctx, tag)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !isIndex(d, data) {
		return nil, problem.New(brokenRegistry, "its tag %s is no index", tag)
	}
	return listOf(data, "tag "+tag)
}

// tagged finds the manifest that cosign keeps at a tag.
func (a attached) tagged(ctx context.Context, tag string) ([]found, error) {
	d, data, err := a.e.manifest(ctx, tag)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []found{{Descriptor: d, from: "tag " + tag, data: data}}, nil
}

func missing(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == http.StatusNotFound
}

// nextPage is where a list goes on (RFC 8288): below the same host only.
func nextPage(link string, at *url.URL) (string, error) {
	if link == "" {
		return "", nil
	}
	target, params, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.HasPrefix(link, "<") || !strings.Contains(params, "next") {
		return "", nil
	}
	next, err := at.Parse(target)
	if err != nil || next.Host != at.Host || next.Scheme != at.Scheme || next.User != nil || !strings.HasPrefix(next.Path, "/v2/") {
		return "", problem.New(brokenRegistry, "its list of what is attached goes on at an impossible place")
	}
	return next.EscapedPath() + "?" + next.RawQuery, nil
}
