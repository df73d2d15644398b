package image

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/safe-run/safe-run/spec/problem"
)

// The transports: where an image comes from.
const (
	OCI           = "oci"            // an OCI image layout in a directory
	OCIArchive    = "oci-archive"    // an OCI image layout in a tar file
	DockerArchive = "docker-archive" // what docker save writes
	Dir           = "dir"            // a directory that is the root filesystem
	Program       = "program"        // a static executable that is the whole image
)

// maxReference bounds a reference in bytes: a path (PATH_MAX) and a name.
const maxReference = 4096 + 512

// Forms is the hint that names every way to write an image.
const Forms = "write the image as oci:DIR[:ref], oci-archive:FILE[:ref], docker-archive:FILE[:ref], dir:ROOTFS or ./program"

// syntax says how what follows a prefix is read.
type syntax struct {
	tagged bool // PATH[:ref]; otherwise all of it is the path
}

// prefixes is the table of what may stand before the first colon.
var prefixes = map[string]syntax{
	OCI:           {tagged: true},
	OCIArchive:    {tagged: true},
	DockerArchive: {tagged: true},
	Dir:           {},
}

// Reference is an image's name, taken apart. It says nothing about whether the
// image exists.
type Reference struct {
	Transport string // one of the transports
	Path      string // as written; may be relative
	Tag       string // the image inside a layout or an archive; may be empty
}

// String writes the reference as Parse reads it.
func (r Reference) String() string {
	switch {
	case r.Transport == Program:
		return r.Path
	case r.Tag == "":
		return r.Transport + ":" + r.Path
	}
	return r.Transport + ":" + r.Path + ":" + r.Tag
}

// Stored reports whether the image is unpacked into the store before it runs.
func (r Reference) Stored() bool {
	return prefixes[r.Transport].tagged
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
	prefix, rest, found := strings.Cut(s, ":")
	how, known := prefixes[prefix]
	if !found || !known {
		return Reference{}, unknownForm(s, prefix, rest)
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

// unknownForm explains a reference without a prefix of the table.
func unknownForm(s, prefix, rest string) error {
	if near := nearest(prefix); near != "" && rest != "" {
		return problem.New(fmt.Sprintf("did you mean %s:%s ?", near, rest), "image %q starts with an unknown source %q", s, prefix)
	}
	hint := Forms
	if name := strings.TrimPrefix(strings.TrimPrefix(s, "docker:"), "//"); remoteName.MatchString(name) {
		file, _, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
		file, _, _ = strings.Cut(file, "@")
		hint = fmt.Sprintf("save it to a file first: docker save -o %s.tar %s, then run docker-archive:%s.tar; or %s", file, name, file, Forms)
	}
	return problem.New(hint, "image %q is a bare name, and safe-run has no registry to look it up in", s)
}

// remoteName is what may be the name of an image in a registry, as docker
// reads it.
var remoteName = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]+/[a-z0-9._-]+)?(/[a-z0-9._-]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@sha256:[0-9a-f]{64})?$`)

// nearest finds the prefix that was most likely meant: the same letters in
// another case or order, with another separator, or a part of the name.
func nearest(prefix string) string {
	plain := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(s))
	}
	aliases := map[string]string{
		"directory": Dir, "rootfs": Dir, "ocidir": OCI, "layout": OCI, "ocilayout": OCI, "ocitar": OCIArchive,
		"dockertar": DockerArchive, "dockersave": DockerArchive, "tarball": DockerArchive,
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
