package source

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"

	"github.com/safe-run/safe-run/spec/problem"
)

// authorizer adds to requests what the registry asks for, and asks for one
// token for all of them. What it adds goes to the registry's own host only:
// http.Client would send headers on to subdomains and other ports.
type authorizer struct {
	base        http.RoundTripper
	e           *endpoint
	credentials func(context.Context) (types.DockerAuthConfig, error)

	mu     sync.Mutex
	header string // for Authorization; empty until it is needed
}

// RoundTrip implements http.RoundTripper.
func (a *authorizer) RoundTrip(req *http.Request) (*http.Response, error) {
	if !a.e.isOwn(req.URL) {
		return a.base.RoundTrip(req)
	}
	a.mu.Lock()
	used := a.header
	a.mu.Unlock()
	resp, err := a.base.RoundTrip(with(req, used))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || req.Body != nil {
		return resp, err
	}
	wanted := challenges(resp.Header)
	drain(resp.Body)
	fresh, err := a.answer(req.Context(), wanted, used)
	if err != nil {
		return nil, err
	}
	return a.base.RoundTrip(with(req, fresh))
}

// with is req with an Authorization header.
func with(req *http.Request, header string) *http.Request {
	if header == "" {
		return req
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", header)
	return req
}

// answer gives the header that meets the challenge. Whoever comes second takes
// what the first one got.
func (a *authorizer) answer(ctx context.Context, wanted []challenge, used string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.header != used {
		return a.header, nil
	}
	login, err := a.credentials(ctx)
	if err != nil {
		return "", err
	}
	a.e.known.Store(login != (types.DockerAuthConfig{}))
	for _, c := range wanted {
		switch {
		case c.scheme == "bearer":
			token, err := a.e.token(ctx, c, login)
			if err != nil {
				return "", err
			}
			a.header = "Bearer " + token
			return a.header, nil
		case c.scheme == "basic" && login.Username != "" && used == "":
			r := http.Request{Header: http.Header{}}
			r.SetBasicAuth(login.Username, login.Password)
			a.header = r.Header.Get("Authorization")
			return a.header, nil
		}
	}
	return "", &statusError{code: http.StatusUnauthorized}
}

// credentialsFor reads auth.json and asks credential helpers. What they print
// never reaches an error: it may be a password.
func (r *registries) credentialsFor(ctx context.Context, repository reference.Named) (types.DockerAuthConfig, error) {
	type result struct {
		login types.DockerAuthConfig
		err   error
	}
	done := make(chan result, 1)
	go func() {
		login, err := config.GetCredentialsForRef(r.sys, repository)
		done <- result{login, err}
	}()
	select {
	case <-ctx.Done():
		return types.DockerAuthConfig{}, context.Cause(ctx)
	case got := <-done:
		if got.err != nil {
			return types.DockerAuthConfig{}, badCredentials(reference.Domain(repository), got.err)
		}
		return got.login, checkLogin(got.login)
	}
}

// checkLogin refuses credentials that could break out of a header.
func checkLogin(c types.DockerAuthConfig) error {
	if strings.ContainsAny(c.Username+c.IdentityToken, "\r\n\x00") || strings.Contains(c.Username, ":") {
		return problem.New("log in again, with `podman login` or `docker login`", "its stored credentials are malformed")
	}
	return nil
}

// badCredentials says as much of err as cannot be a secret.
func badCredentials(host string, err error) error {
	why := "the file or its credential helper failed"
	var path *fs.PathError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &path):
		why = path.Error()
	case errors.As(err, &syntax):
		why = "the file is not JSON: " + syntax.Error()
	}
	return problem.New("`podman login "+host+"` or `docker login "+host+"` writes them anew",
		"its credentials cannot be read: %s", oneLine(why))
}
