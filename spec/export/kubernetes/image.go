package kubernetes

import (
	"regexp"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
)

// reference is the name of an image as registries have it.
var reference = regexp.MustCompile(`^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$`)

// transports are how images of this host are named; no cluster sees them.
var transports = []string{"oci", "oci-archive", "docker-archive", "docker-daemon", "containers-storage", "containerd", "dir"}

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// image checks what the profile asks of images, as far as a name tells.
func (x *exporter) image() error {
	x.in.Image.Reference = strings.TrimPrefix(x.in.Image.Reference, "docker://")
	i := x.in.Image
	const hint = "push it to a registry that the cluster reaches, and name it there"
	transport, _, _ := strings.Cut(i.Reference, ":")
	if !reference.MatchString(i.Reference) || slices.Contains(transports, transport) {
		return problem.New(hint, "%q is no image of a registry", clip(i.Reference))
	}
	if i.Digest != "" && !digest.MatchString(i.Digest) {
		return problem.New("write NAME@sha256:...", "%q is no digest", clip(i.Digest))
	}
	if r := x.p.Image.Registries; r != nil && !fromOneOf(i.Reference, r) {
		return x.refuse("image.registries", "name an image from "+orNone(r), "the image %s comes from no registry that the profile allows", clip(i.Reference))
	}
	if !i.Config {
		x.lack(export.Loss{
			Setting: "image config", Value: i.Reference, Severity: export.Missing,
			Lost: "the image is not in this host's store: its volumes and its health check are not exported",
			Do:   "safe-run image pull " + i.Reference + ", and export again",
		})
	}
	if i.Digest != "" {
		return nil
	}
	pin := "safe-run image pull " + i.Reference + ", and export again; or write " + i.Reference + "@sha256:..."
	if or(x.p.Image.RequireDigest, false) {
		return x.refuse("image.requireDigest", pin, "the profile wants images by digest, and that of %s is not known here", clip(i.Reference))
	}
	x.lack(export.Loss{
		Setting: "image", Value: i.Reference, Severity: export.Weaker,
		Lost: "no digest is known here, so each node runs what the name means when it pulls",
		Do:   pin,
	})
	return nil
}

// pinned is the image with its digest.
func (x *exporter) pinned() string {
	ref, digest := x.in.Image.Reference, x.in.Image.Digest
	if x.p.Image.Registries != nil {
		_, tail := cutName(ref)
		ref = fullName(ref) + tail // as an admission policy can tell it from others
	}
	if digest == "" || strings.Contains(ref, "@") {
		return ref
	}
	return ref + "@" + digest
}

// cutName is the repository, and the tag and the digest behind it.
func cutName(ref string) (repository, tail string) {
	end := len(ref)
	if at := strings.IndexByte(ref, '@'); at >= 0 {
		end = at
	}
	if colon := strings.LastIndexByte(ref[:end], ':'); colon > strings.LastIndexByte(ref[:end], '/') {
		end = colon
	}
	return ref[:end], ref[end:]
}

// fullName is the repository as docker completes it: docker.io/library/nginx.
func fullName(ref string) string {
	ref, _ = cutName(ref)
	host, rest, found := strings.Cut(ref, "/")
	switch {
	case !found:
		return "docker.io/library/" + ref
	case !strings.ContainsAny(host, ".:") && host != "localhost":
		return "docker.io/" + ref
	case host == "docker.io" && !strings.Contains(rest, "/"):
		return "docker.io/library/" + rest
	}
	return ref
}

func fromOneOf(ref string, all []profiles.Registry) bool {
	name := fullName(ref)
	for _, r := range all {
		if strings.HasPrefix(name, strings.TrimSuffix(string(r), "/")+"/") {
			return true
		}
	}
	return false
}

func orNone(all []profiles.Registry) string {
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = string(r)
	}
	if len(names) == 0 {
		return "nowhere: the profile allows no registry"
	}
	return strings.Join(names, ", ")
}
