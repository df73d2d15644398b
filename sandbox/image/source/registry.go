package source

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// findInRegistry finds an image that is named with docker://.
func findInRegistry(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	name, err := fullName(ref.Path)
	if err != nil {
		return nil, err
	}
	return onThisMachine().find(ctx, name, o)
}

// find finds an image at its registry or one of the mirrors that
// registries.conf gives it, in order.
func (r *registries) find(ctx context.Context, name reference.Named, o Options) (*Image, error) {
	if o.LocalOnly {
		return nil, problem.New("leave --pull never away", "%s is not on this machine, and registries are not to be asked", name)
	}
	places, err := r.places(name)
	if err != nil {
		return nil, err
	}
	var mirrors []string
	for n, place := range places {
		var found *Image
		var e *endpoint
		if e, err = r.newEndpoint(place); err == nil {
			if found, err = e.find(ctx, o); err == nil {
				found.Repository = name.Name()
				return found, nil
			}
			e.close()
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if n < len(places)-1 {
			o.note("mirror %s: %v", reference.Domain(place.Reference), err)
			mirrors = append(mirrors, place.Reference.Name())
		}
	}
	if len(mirrors) > 0 {
		return nil, problem.New(problem.HintOf(err), "%w; nor does a mirror have it: %s", err, list(mirrors))
	}
	return nil, err
}

// places are where registries.conf says that an image is.
func (r *registries) places(name reference.Named) ([]sysregistriesv2.PullSource, error) {
	found, err := sysregistriesv2.FindRegistry(r.sys, name.String())
	if err != nil {
		return nil, badConfig("registries.conf cannot be read", err)
	}
	places := []sysregistriesv2.PullSource{{Reference: name}}
	if found != nil {
		if found.Blocked {
			return nil, problem.New("use another registry, or ask whoever wrote that file", "registry %s is blocked in registries.conf", found.Prefix)
		}
		if places, err = found.PullSourcesFromReference(name); err != nil {
			return nil, badConfig("registries.conf leads nowhere", err)
		}
	}
	return places, nil
}

// endpoint is one repository at one host. All of an image comes through one
// client and one token.
type endpoint struct {
	r    *registries
	ref  reference.Named
	name string // the host in names and in the configuration
	host string // the host that is asked
	path string // of the repository
	ns   string // whose registry a proxy of many shall ask

	insecure bool        // says registries.conf
	hasPort  bool        // in its name
	plain    atomic.Bool // it turned out to speak http without TLS
	known    atomic.Bool // there are credentials for it
	guard    *guard
	base     *http.Transport
	client   *http.Client
}

func (r *registries) newEndpoint(place sysregistriesv2.PullSource) (*endpoint, error) {
	name := reference.Domain(place.Reference)
	if isLocalhost(name) {
		return nil, problem.New("build or load it first, or write localhost:PORT/... for a registry on this machine",
			"%s is not on this machine: names below localhost/ are never at a registry", place.Reference)
	}
	e := &endpoint{
		r: r, ref: place.Reference, name: name, host: name,
		path: reference.Path(place.Reference), ns: place.Endpoint.NamespaceProxy,
		insecure: place.Endpoint.Insecure,
		hasPort:  strings.LastIndex(name, ":") > strings.LastIndex(name, "]"),
	}
	if name == "docker.io" {
		e.host = "registry-1.docker.io"
	}
	e.guard = newGuard(e.host, r)
	var err error
	if e.base, err = r.newTransport(name, e.guard, e.insecure); err != nil {
		return nil, err
	}
	login := func(ctx context.Context) (types.DockerAuthConfig, error) { return r.credentialsFor(ctx, e.ref) }
	e.client = &http.Client{
		Transport:     &authorizer{base: e.base, e: e, credentials: login},
		CheckRedirect: followRedirect,
	}
	return e, nil
}

func (e *endpoint) close() error {
	e.base.CloseIdleConnections()
	return nil
}

func (e *endpoint) scheme() string {
	if e.plain.Load() {
		return "http"
	}
	return "https"
}

// mayBePlain decides whether to go on without TLS. On this machine it needs
// no leave, as with docker: nobody listens on the way.
func (e *endpoint) mayBePlain(err error) bool {
	switch {
	case e.plain.Load():
		return false
	case errors.Is(err, http.ErrSchemeMismatch):
		return e.insecure || isThisMachine(e.name) && e.guard.at() == loopback
	}
	return e.insecure && !e.hasPort && errors.Is(err, syscall.ECONNREFUSED)
}

// isOwn reports whether a request goes to the registry itself, and not to
// where it redirects.
func (e *endpoint) isOwn(u *url.URL) bool { return u.Scheme == e.scheme() && u.Host == e.host }

// named is the image as it is asked for.
func (e *endpoint) named() string {
	if e.name == e.host {
		return e.ref.String()
	}
	return e.ref.String() + " (at " + e.host + ")"
}

// find gets manifest and config.
func (e *endpoint) find(ctx context.Context, o Options) (*Image, error) {
	found, err := e.choose(ctx, o.Arch)
	if err != nil {
		return nil, e.explain(err)
	}
	found.closers = append(found.closers, e.close)
	a := attached{e: e, note: o.note}
	found.Attached = a.to
	return found, nil
}

var errNoReference = errors.New("the name has neither a tag nor a digest")

// wanted is the tag or digest to ask for. A digest says more than a tag.
func wanted(name reference.Named) (string, error) {
	if pinned, ok := name.(reference.Digested); ok {
		return pinned.Digest().String(), nil
	}
	if tagged, ok := name.(reference.Tagged); ok {
		return tagged.Tag(), nil
	}
	return "", errNoReference
}
