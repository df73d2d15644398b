package source

import (
	"context"
	"errors"
	"strings"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// elsewhere is the error of an engine that certainly does not have the image: it
// is not on this host, it does not run, or it knows no such name. Any other
// error leaves open what the name means there.
type elsewhere struct {
	why string // a few words, after the engine's name
	error
}

func (e elsewhere) Unwrap() error { return e.error }

// notThere makes an elsewhere: why says in a few words what is missing.
func notThere(why, hint, format string, args ...any) error {
	return elsewhere{why, problem.New(hint, format, args...)}
}

// place is where the image of a bare name may be.
type place struct {
	transport string
	find      finder
}

// engines are looked at in this order: what was built on this host comes before
// what somebody published under the same name.
var engines = []place{
	{image.DockerDaemon, findInDockerDaemon},
	{image.ContainersStorage, findInContainersStorage},
	{image.Containerd, findInContainerd},
}

// findAnywhere finds what a bare name means: the first engine that has it, then
// the registry. An engine that is broken stops the search: it may have the
// image that is meant, and a registry another one of the same name.
func findAnywhere(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	return findInPlaces(ctx, ref, o, engines, place{image.Docker, findByName})
}

func findInPlaces(ctx context.Context, ref image.Reference, o Options, local []place, registry place) (*Image, error) {
	var looked []string
	for _, p := range local {
		found, err := p.at(ctx, ref, o)
		var missing elsewhere
		switch {
		case err == nil:
			return found, nil
		case errors.As(err, &missing):
			looked = append(looked, p.transport+" ("+missing.why+")")
		default:
			return nil, problem.New(whereElse(ref, err), "whether %s is in %s cannot be told: %w", ref, p.transport, err)
		}
	}
	where := strings.Join(looked, ", ")
	if o.LocalOnly {
		return nil, problem.New(nameHint(ref), "there is no image %s on this host: looked in the store, %s", ref, where)
	}
	if err := image.FileHere(ref); o.FilesFirst && err != nil {
		return nil, err
	}
	o.note("no engine of this host has %s; asking its registry", ref)
	found, err := registry.at(ctx, ref, o)
	if err != nil && ctx.Err() == nil {
		hint := nameHint(ref)
		if own := problem.HintOf(err); own != "" && hasHost(ref.Path) {
			hint = own // the name says which registry is meant
		}
		return nil, problem.New(hint, "it is not in %s; %w", where, err)
	}
	return found, err
}

// at looks for the image of ref's name in one place.
func (p place) at(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	at := image.Reference{Transport: p.transport, Path: ref.Path}
	found, err := p.find(ctx, at, o)
	if err != nil {
		return nil, err
	}
	if found.Reference == (image.Reference{}) {
		found.Reference = at
	}
	return found, nil
}

// whereElse is the hint for an engine that is broken.
func whereElse(ref image.Reference, err error) string {
	at := image.Reference{Transport: image.Docker, Path: ref.Path}
	hint := "say where it is, for example " + at.String()
	if own := problem.HintOf(err); own != "" {
		return own + "; or " + hint
	}
	return hint
}

// nameHint is the next step when there is no image of that name.
func nameHint(ref image.Reference) string {
	prefix, rest, _ := strings.Cut(ref.Path, ":")
	if near := image.Nearest(prefix); near != "" && rest != "" {
		return "did you mean " + near + ":" + rest + " ?"
	}
	if _, _, digest := ref.Name(); digest == "" && !hasHost(ref.Path) {
		return "build it (docker build -t " + ref.Path + " .), or pull it with its full name: safe-run image pull REGISTRY/" + ref.Path
	}
	return "check the name, then pull it: safe-run image pull " + ref.Path
}

// fullRepository is the name that docker and containerd give an image:
// docker.io/library/nginx for nginx.
func fullRepository(repository string) string {
	if !hasHost(repository) {
		repository = "docker.io/" + repository
	}
	if rest, official := strings.CutPrefix(repository, "docker.io/"); official && !strings.Contains(rest, "/") {
		return "docker.io/library/" + rest
	}
	return repository
}

// pinned refuses an image that is not the one of the digest in its name.
func pinned(found *Image, ref image.Reference) error {
	_, _, digest := ref.Name()
	if digest == "" || found.Digest.String() == digest || found.Index.String() == digest {
		return nil
	}
	return problem.New("", "%s is another image there: its digest is %s", ref, found.Digest)
}
