package source

import (
	"context"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/spec/problem"
)

// maxScanned bounds how many manifests of a layout are read to see what they
// are attached to.
const maxScanned = 1024

// attachedIn finds what is attached to an image in the same layout: manifests
// that refer to it, the tags of registries, and what cosign save writes.
func (l *layout) attachedIn(o Options) func(context.Context, v1.Hash) ([]Attachment, error) {
	return func(ctx context.Context, subject v1.Hash) ([]Attachment, error) {
		g := gathering{from: layoutReader{l}, subject: subject, note: o.note}
		list, err := l.attachedTo(ctx, subject)
		if err == nil {
			err = g.addAll(list)
		}
		if err != nil {
			return nil, problem.New(problem.HintOf(err), "what is attached to %s cannot be read: %w", subject, err)
		}
		return g.all, nil
	}
}

func (l *layout) attachedTo(ctx context.Context, subject v1.Hash) ([]found, error) {
	tag := strings.ReplaceAll(subject.String(), ":", "-")
	var all []found
	scanned := 0
	for _, d := range l.index.Manifests {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch name := tagOf(d); {
		case d.Digest == subject:
		case name == tag && d.MediaType.IsIndex():
			data, err := readBlob(l, d, "list of what is attached")
			if err != nil {
				return nil, err
			}
			list, err := listOf(data, "tag "+tag)
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
		case !d.MediaType.IsImage():
		case name == tag+".sig", name == tag+".att":
			all = append(all, found{Descriptor: d, from: "tag " + name})
		case cosignKind(d):
			all = append(all, found{Descriptor: d, from: "cosign " + strings.TrimPrefix(d.Annotations["kind"], cosignPrefix)})
		default:
			if scanned++; scanned > maxScanned {
				return nil, tooManyAttached("more than %d manifests of its layout would have to be read", maxScanned)
			}
			f, err := l.refersTo(d, subject)
			if err != nil {
				return nil, err
			}
			all = append(all, f...)
		}
	}
	return all, nil
}

// refersTo reads the manifest of d, and gives it when its subject is the image.
func (l *layout) refersTo(d v1.Descriptor, subject v1.Hash) ([]found, error) {
	data, err := readBlob(l, d, "manifest")
	if err != nil {
		return nil, err
	}
	var m artifact
	if err := decode(data, &m, "manifest"); err != nil {
		return nil, err
	}
	if m.Subject == nil || m.Subject.Digest != subject {
		return nil, nil
	}
	return []found{{Descriptor: d, from: "subject"}}, nil
}

// cosignPrefix starts the annotation by which cosign save tells images from
// what belongs to them. Whose signatures they are, their content says.
const cosignPrefix = "dev.cosignproject.cosign/"

func cosignKind(d v1.Descriptor) bool {
	kind := d.Annotations["kind"]
	return kind == cosignPrefix+"sigs" || kind == cosignPrefix+"atts"
}

// tagOf is the tag in the name of an image in a layout, which may be a full name.
func tagOf(d v1.Descriptor) string {
	name := d.Annotations[refName]
	return name[strings.LastIndex(name, ":")+1:]
}

// attachedTag is what registries' tags for artifacts look like.
var attachedTag = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)

// images leaves out what is attached to others: it must not make the only
// image of a layout one of several.
func images(all []v1.Descriptor) []v1.Descriptor {
	return slices.DeleteFunc(slices.Clone(all), func(d v1.Descriptor) bool {
		artifact := d.ArtifactType != "" && !types.MediaType(d.ArtifactType).IsConfig()
		return artifact || cosignKind(d) || attachedTag.MatchString(tagOf(d))
	})
}
