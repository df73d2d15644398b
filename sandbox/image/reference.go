package image

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/safe-run/safe-run/spec/problem"
)

// The transports: where an image comes from.
const (
	Named             = ""                   // a bare name: the store, then local engines, then a registry
	Docker            = "docker"             // a registry, written docker://NAME
	DockerDaemon      = "docker-daemon"      // what dockerd keeps
	ContainersStorage = "containers-storage" // what podman, buildah and CRI-O keep
	Containerd        = "containerd"         // what containerd keeps
	OCI               = "oci"                // an OCI image layout in a directory
	OCIArchive        = "oci-archive"        // an OCI image layout in a tar file
	DockerArchive     = "docker-archive"     // what docker save writes
	Dir               = "dir"                // a directory that is the root filesystem
	Program           = "program"            // a static executable that is the whole image
)

// maxReference bounds a reference in bytes: a path (PATH_MAX) and a name.
const maxReference = 4096 + 512

// Forms is the hint that names every way to write an image.
const Forms = "write the image as NAME[:tag][@digest], docker://NAME, docker-daemon:NAME, containers-storage:NAME, containerd:NAME, " +
	"oci:DIR[:ref], oci-archive:FILE[:ref], docker-archive:FILE[:ref], dir:ROOTFS or ./program"

// syntax says how what follows a prefix is read.
type syntax struct {
	tagged bool // PATH[:ref]; otherwise all of it is the path
	named  bool // the name of an image
	slash  bool // the name stands after //
}

// prefixes is the table of what may stand before the first colon.
var prefixes = map[string]syntax{
	Docker:            {named: true, slash: true},
	DockerDaemon:      {named: true},
	ContainersStorage: {named: true},
	Containerd:        {named: true},
	OCI:               {tagged: true},
	OCIArchive:        {tagged: true},
	DockerArchive:     {tagged: true},
	Dir:               {},
}

// Reference is an image's name, taken apart. It says nothing about whether the
// image exists.
type Reference struct {
	Transport string // one of the transports
	// Path is a path as written, which may be relative; or the name of an
	// image, with the tag and the digest that were written.
	Path string
	Tag  string // the image inside a layout or an archive; may be empty
}

// String writes the reference as Parse reads it.
func (r Reference) String() string {
	switch {
	case r.Transport == Program, r.Transport == Named:
		return r.Path
	case prefixes[r.Transport].slash:
		return r.Transport + "://" + r.Path
	case r.Tag == "":
		return r.Transport + ":" + r.Path
	}
	return r.Transport + ":" + r.Path + ":" + r.Tag
}

// Stored reports whether the image is kept in the store before it runs.
func (r Reference) Stored() bool { return r.Transport != Dir && r.Transport != Program }

// IsFile reports whether Path is the path of a file or a directory.
func (r Reference) IsFile() bool { return r.Transport != Named && !prefixes[r.Transport].named }

// Name takes the name of an image apart: ghcr.io/acme/app, 1.2,
// sha256:<hex>. Tag and digest are empty when they were not written.
func (r Reference) Name() (repository, tag, digest string) {
	repository, digest, _ = strings.Cut(r.Path, "@")
	if colon := strings.LastIndex(repository, ":"); colon > strings.LastIndex(repository, "/") {
		repository, tag = repository[:colon], repository[colon+1:]
	}
	return repository, tag, digest
}

// Pinned reports whether r names its image by digest.
func (r Reference) Pinned() bool {
	if r.IsFile() {
		return ValidDigest(r.Tag)
	}
	_, _, digest := r.Name()
	return digest != ""
}

// Full is r with the tag that a name without tag and digest means.
func (r Reference) Full() Reference {
	if r.IsFile() {
		return r
	}
	if _, tag, digest := r.Name(); tag == "" && digest == "" {
		r.Path += ":latest"
	}
	return r
}

// Parse reads a reference. It does no I/O. A path that is followed by a tag
// ends at the first colon, because a tag may be a full name with colons of its
// own (docker.io/library/nginx:1.25).
func Parse(s string) (Reference, error) {
	if err := printable(s); err != nil {
		return Reference{}, err
	}
	if isPath(s) {
		return Reference{Transport: Program, Path: s}, nil
	}
	if ValidDigest(s) {
		return Reference{}, problem.New("write NAME@"+s+"; safe-run image inspect "+s+" shows its names", "image %q is a digest without a name", s)
	}
	prefix, rest, found := strings.Cut(s, ":")
	how, known := prefixes[prefix]
	switch {
	case found && likeForms[prefix]:
		return Reference{}, badName(s, s)
	case !found || !known:
		return parseName(s, Reference{Path: s})
	case how.slash && !strings.HasPrefix(rest, "//"):
		return Reference{}, problem.New("write "+prefix+"://"+rest, "image %q has no // after %s:", s, prefix)
	case how.named:
		return parseName(s, Reference{Transport: prefix, Path: strings.TrimPrefix(rest, "//")})
	}
	r := Reference{Transport: prefix, Path: rest}
	if how.tagged {
		path, tag, named := strings.Cut(rest, ":")
		if named && tag == "" {
			return Reference{}, problem.New("leave out the last colon, or name the image after it", "image %q ends with a colon", s)
		}
		r.Path, r.Tag = path, tag
	}
	if r.Path == "" {
		return Reference{}, problem.New(Forms, "image %q names no path", s)
	}
	return r, nil
}

// imageName is how images are named (distribution's reference grammar): a
// host, a path in lower case, a tag, a digest. The first part is a host when it
// has a dot or a port, or is localhost.
// It is compiled when a name is read, which a launch from a directory never does.
var imageName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(imageNamePattern) })

const imageNamePattern = `^(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?/)?` +
	`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*` +
	`(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`

// maxName bounds the name of an image in bytes, its tag and digest included.
const maxName = 512

// likeForms are what people write for a form of image when they do not know
// its prefix. Whoever has an image of that name writes docker://tarball:x.
var likeForms = map[string]bool{
	"directory": true, "rootfs": true, "layout": true, "tarball": true, "tar": true, "archive": true,
	"oci-dir": true, "oci-layout": true, "oci-tar": true, "docker-tar": true, "docker-save": true,
}

// parseName checks the name in r; s is what was typed.
func parseName(s string, r Reference) (Reference, error) {
	if len(r.Path) <= maxName && imageName().MatchString(r.Path) {
		return r, nil
	}
	return Reference{}, badName(s, r.Path)
}

// badName explains what is no image's name.
func badName(s, name string) error {
	prefix, rest, _ := strings.Cut(s, ":")
	if near := Nearest(prefix); near != "" && near != prefix && rest != "" {
		if prefixes[near].slash {
			rest = "//" + strings.TrimLeft(rest, "/")
		}
		return problem.New(fmt.Sprintf("did you mean %s:%s ?", near, rest), "image %q starts with an unknown source %q", s, prefix)
	}
	lower := strings.ToLower(name)
	if lower != name && imageName().MatchString(lower) {
		return problem.New("did you mean "+lower+" ?", "image %q has capital letters in its name", s)
	}
	if _, digest, pinned := strings.Cut(name, "@"); pinned && !ValidDigest(digest) {
		return problem.New("a digest is sha256: and 64 hexadecimal digits", "image %q has an impossible digest", s)
	}
	return problem.New(Forms, "image %q is not the name of an image", s)
}

// isPath reports whether s is written as the path of a program.
func isPath(s string) bool {
	return s == "." || s == ".." || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../")
}

// printable refuses what could not be shown in one line or is no path.
func printable(s string) error {
	switch {
	case s == "":
		return problem.New(Forms, "the image has no name")
	case len(s) > maxReference:
		return problem.New(Forms, "the image's name has %d bytes; at most %d are read", len(s), maxReference)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }):
		return problem.New(Forms, "image %q has a character that cannot be printed", s)
	}
	return nil
}

// Nearest finds the prefix that was most likely meant: the same letters in
// another case or order, with another separator, or a part of the name.
func Nearest(prefix string) string {
	plain := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(s))
	}
	aliases := map[string]string{
		"directory": Dir, "rootfs": Dir, "ocidir": OCI, "layout": OCI, "ocilayout": OCI, "ocitar": OCIArchive,
		"dockertar": DockerArchive, "dockersave": DockerArchive, "tarball": DockerArchive, "tar": DockerArchive, "archive": OCIArchive,
		"podman": ContainersStorage, "registry": Docker, "https": Docker, "http": Docker,
	}
	if near, ok := aliases[plain(prefix)]; ok {
		return near
	}
	names := make([]string, 0, len(prefixes))
	for name := range prefixes {
		names = append(names, name)
	}
	slices.Sort(names)
	letters := func(s string) string {
		runes := []rune(plain(s))
		slices.Sort(runes)
		return string(runes)
	}
	for _, name := range names {
		if letters(name) == letters(prefix) {
			return name
		}
	}
	return ""
}
