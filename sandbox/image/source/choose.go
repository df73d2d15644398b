package source

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/spec/problem"
)

// The annotations that name an image: of the OCI layout, and of containerd and
// docker, which give the full name.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// maxListed bounds how many names an error lists.
const maxListed = 8

// named finds the images called tag, by name or by digest. Without a tag there
// must be one image only, which may be there for several platforms.
func named(all []v1.Descriptor, tag string) ([]v1.Descriptor, error) {
	all = slices.DeleteFunc(slices.Clone(all), isAttestation)
	if len(all) == 0 {
		return nil, problem.New("skopeo copy docker://NAME oci:DIR:TAG puts one there", "there is no image in it")
	}
	if tag == "" {
		if names := namesOf(all); len(names) > 1 && digests(all) > 1 {
			return nil, problem.New("name one after a colon, for example :"+names[0], "there are several images in it: %s", list(names))
		}
		return all, nil
	}
	found := slices.DeleteFunc(slices.Clone(all), func(d v1.Descriptor) bool {
		return d.Annotations[refName] != tag && d.Annotations[containerdName] != tag && d.Digest.String() != tag
	})
	if len(found) > 0 {
		return found, nil
	}
	names := namesOf(all)
	if len(names) == 0 {
		return nil, problem.New("leave the name out", "there is no image called %q in it, and none has a name", tag)
	}
	return nil, problem.New("name one of those after a colon, for example :"+names[0], "there is no image called %q in it, only %s", tag, list(names))
}

// namesOf lists the names of images, sorted; an image without one counts with
// its digest when others have a name.
func namesOf(all []v1.Descriptor) []string {
	var names []string
	unnamed := map[string]bool{}
	for _, d := range all {
		switch {
		case d.Annotations[refName] != "":
			names = append(names, d.Annotations[refName])
		case d.Annotations[containerdName] != "":
			names = append(names, d.Annotations[containerdName])
		default:
			unnamed[d.Digest.String()] = true
		}
	}
	if len(names) > 0 {
		for digest := range unnamed {
			names = append(names, digest)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func digests(all []v1.Descriptor) int {
	seen := map[v1.Hash]bool{}
	for _, d := range all {
		seen[d.Digest] = true
	}
	return len(seen)
}

func list(names []string) string {
	if more := len(names) - maxListed; more > 0 {
		names = append(slices.Clone(names[:maxListed]), "...")
	}
	return strings.Join(names, ", ")
}

// isAttestation matches what buildkit stores beside an image.
func isAttestation(d v1.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] == "attestation-manifest" ||
		d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}

// variants are taken in this order when there are several of one architecture:
// the ones that every such machine can run come first.
var variants = []string{"", "v1", "v8", "v7", "v6", "v5"}

// forPlatform finds the image for linux and arch. A single one that does not
// say what it is for is taken; its config is looked at later.
func forPlatform(all []v1.Descriptor, arch string) (v1.Descriptor, error) {
	all = slices.DeleteFunc(slices.Clone(all), isAttestation)
	if len(all) == 0 {
		return v1.Descriptor{}, problem.New(noImage, "there is no image in the index")
	}
	silent := func(d v1.Descriptor) bool {
		return d.Platform == nil || d.Platform.OS == "" && d.Platform.Architecture == ""
	}
	fits := slices.DeleteFunc(slices.Clone(all), func(d v1.Descriptor) bool {
		return silent(d) || d.Platform.OS != "linux" || d.Platform.Architecture != arch
	})
	if len(fits) > 0 {
		return leastDemanding(fits), nil
	}
	if digests(all) == 1 && silent(all[0]) {
		return all[0], nil
	}
	if slices.ContainsFunc(all, silent) {
		return v1.Descriptor{}, problem.New("name one by its digest: :"+all[0].Digest.String(),
			"there are %d images in it without a name or platform to tell them apart", digests(all))
	}
	var have []string
	for _, d := range all {
		have = append(have, d.Platform.String())
	}
	slices.Sort(have)
	return v1.Descriptor{}, problem.New("build it for linux/"+arch, "there is no image for linux/%s in it, only for %s", arch, list(slices.Compact(have)))
}

func leastDemanding(fits []v1.Descriptor) v1.Descriptor {
	for _, variant := range variants {
		for _, d := range fits {
			if d.Platform.Variant == variant {
				return d
			}
		}
	}
	return fits[0]
}
