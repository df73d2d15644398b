package source

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

const (
	attempts = 5
	maxWait  = 30 * time.Second // for a registry that asks us to wait
	// progress is what must come in the time that a server may be idle, in bytes.
	progress = 4 << 10
	// documentIdles is how many of those times a small document may take: what
	// comes at that rate would take a day.
	documentIdles = 5
)

// request is one thing to get below the repository, such as manifests/latest.
type request struct {
	path, accept, ranges string
	// isURL says that path is a whole URL path with its query: the next page of a list.
	isURL bool
}

// waitBefore waits before the next attempt, and reports whether one makes sense.
func (e *endpoint) waitBefore(ctx context.Context, err error, n int) bool {
	wait := e.r.pause << (n - 1)
	wait += rand.N(wait/2 + 1)
	var status *statusError
	var known *problem.Error
	switch {
	case ctx.Err() != nil, errors.As(err, &known), errors.Is(err, errNoProgress):
		return false
	case errors.As(err, &status):
		switch status.code {
		case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusRequestTimeout:
		default:
			return false
		}
		if status.after > maxWait {
			return false
		}
		wait = max(wait, status.after)
	case !dropped(err):
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// once asks once. A registry on this machine, or one that is called insecure
// in registries.conf, may turn out to speak http without TLS.
func (e *endpoint) once(ctx context.Context, r request) (*answer, error) {
	a, err := e.send(ctx, r)
	if err != nil && e.mayBePlain(err) {
		e.plain.Store(true)
		return e.send(ctx, r)
	}
	return a, err
}

func (e *endpoint) send(ctx context.Context, r request) (*answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url(r).String(), nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent())
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.ranges != "" {
		req.Header.Set("Range", r.ranges)
	}
	timer := time.AfterFunc(e.r.idle, func() { cancel(errNoProgress) })
	resp, err := e.client.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		drain(resp.Body)
		err = newStatusError(resp)
	}
	timer.Stop()
	if err != nil {
		defer cancel(nil)
		return nil, because(ctx, err)
	}
	return &answer{Response: resp, ctx: ctx, cancel: cancel, idle: e.r.idle, timer: timer}, nil
}

// url is where a request goes.
func (e *endpoint) url(r request) *url.URL {
	u := &url.URL{Scheme: e.scheme(), Host: e.host, Path: "/v2/" + e.path + "/" + r.path}
	if r.isURL {
		next, _ := url.Parse(r.path) // was parsed before
		u.Path, u.RawPath, u.RawQuery = next.Path, next.RawPath, next.RawQuery
	}
	if e.ns != "" {
		q := u.Query()
		q.Set("ns", e.ns)
		u.RawQuery = q.Encode()
	}
	return u
}

// because gives the reason why a request was given up, when we gave it up.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// document gets something small as a whole.
func (e *endpoint) document(ctx context.Context, r request, limit int64) ([]byte, http.Header, error) {
	for n := 1; ; n++ {
		data, header, err := e.documentOnce(ctx, r, limit)
		if err == nil {
			return data, header, nil
		}
		if n == attempts || !e.waitBefore(ctx, err, n) {
			return nil, nil, err
		}
	}
}

func (e *endpoint) documentOnce(ctx context.Context, r request, limit int64) ([]byte, http.Header, error) {
	patience := documentIdles * e.r.idle
	ctx, cancel := context.WithTimeoutCause(ctx, patience,
		problem.New("try again; if it stays so, ask whoever runs it, or set up a mirror in registries.conf", "it is too slow: a small document took more than %s", patience))
	defer cancel()
	a, err := e.once(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	if a.StatusCode != http.StatusOK {
		return nil, nil, newStatusError(a.Response)
	}
	if a.ContentLength > limit {
		return nil, nil, tooMuch(limit)
	}
	data, err := io.ReadAll(io.LimitReader(a, limit+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > limit {
		return nil, nil, tooMuch(limit)
	}
	return data, a.Header, nil
}

func tooMuch(limit int64) error {
	return problem.New("the registry is misconfigured or hostile", "it sends more than %s, which is more than was asked for", bounds.Size(limit))
}

// drain reads what little is left, so that the connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 16<<10)
	body.Close()
}
