package source

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"go.podman.io/image/v5/docker/reference"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// findByName finds an image at a registry by a name that may have no host:
// registries.conf says which registries a short name means.
func findByName(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	return onThisMachine().byName(ctx, ref.Path, o)
}

// byName tries what name may mean, in order. Only a registry that does not
// have the image leads to the next: when one cannot be asked, another must
// not answer in its place.
func (r *registries) byName(ctx context.Context, name string, o Options) (*Image, error) {
	candidates, err := r.resolve(name)
	if err != nil {
		return nil, err
	}
	var tried []string
	var last error
	for _, c := range candidates {
		found, err := r.find(ctx, c, o)
		if err == nil {
			return found, nil
		}
		tried, last = append(tried, c.Name()), err
		if !absent(err) {
			return nil, err
		}
		if len(candidates) > 1 {
			o.note("%s: %v", c.Name(), err)
		}
	}
	if len(tried) == 1 {
		return nil, last
	}
	return nil, &problem.Error{
		What: "there is no image " + name + " at " + list(tried), Err: last,
		Hint: "check the name, or write it with its registry",
	}
}

// absent matches the answer of a registry that does not have an image, or does
// not say so to everybody.
func absent(err error) bool {
	var status *statusError
	return errors.As(err, &status) && (status.code == http.StatusNotFound ||
		status.code == http.StatusUnauthorized || status.code == http.StatusForbidden)
}

// hasHost reports whether the first part of a name is the name of a host.
func hasHost(name string) bool {
	first, _, found := strings.Cut(name, "/")
	return found && (strings.ContainsAny(first, ".:") || first == "localhost" || first != strings.ToLower(first))
}

// cutTag cuts a name before its tag and digest.
func cutTag(name string) (plain, suffix string) {
	plain, _, _ = strings.Cut(name, "@")
	if colon := strings.LastIndex(plain, ":"); colon > strings.LastIndex(plain, "/") {
		plain = plain[:colon]
	}
	return plain, name[len(plain):]
}

// fullName gives a name as a registry knows it: busybox is
// docker.io/library/busybox:latest.
func fullName(name string) (reference.Named, error) {
	full, err := reference.ParseNormalizedNamed(name)
	if err != nil && strings.HasPrefix(name, "[") {
		return nil, problem.New("give the host a name in /etc/hosts", "image %q: a registry cannot be named by an IPv6 address", name)
	}
	if err != nil {
		return nil, problem.New("write it as HOST/NAME:tag", "image %q is not the name of an image", name)
	}
	return reference.TagNameOnly(full), nil
}

// badConfig is the error of a file that the user or the machine has.
func badConfig(what string, err error) error {
	return &problem.Error{What: what + ": " + oneLine(err.Error()), Hint: "mend it; containers-registries.conf(5) has its form", Err: err}
}
