package cli

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// warnings are what is allowed in a profile and most likely not meant, on this
// host: each begins with the place.
func warnings(p profiles.Profile) (out []error) {
	if r := p.Image.Registries; r != nil && len(r) == 0 {
		out = append(out, problem.New("name the registries that images may come from, or leave the key out for any place",
			"%simage.registries is empty: no image may run", placeIn(p, "image.registries")))
	}
	for _, f := range namedFiles(p.Image) {
		if err := checkNamed(f.path); err != nil {
			out = append(out, problem.New(problem.HintOf(err), "%s%w", placeIn(p, f.at), err))
		}
	}
	for _, doubt := range profiles.Doubts(p) {
		// What a built-in profile has is not this one's to mend.
		if !slices.ContainsFunc(builtin.Names(), func(name string) bool { return strings.HasPrefix(doubt.What, name+":") }) {
			out = append(out, doubt)
		}
	}
	return out
}

// placeIn is what a message about a setting begins with.
func placeIn(p profiles.Profile, path string) string {
	if o := p.Origin(path); o.Source != "" {
		return o.String() + ": "
	}
	return ""
}

// namedFile is a file of the host that decides about images, and the setting
// that names it.
type namedFile struct{ at, path string }

func namedFiles(i profiles.Image) (out []namedFile) {
	for _, s := range i.Signatures {
		at := "image.signatures[" + s.String() + "]"
		for _, key := range s.Keys {
			out = append(out, namedFile{at + ".keys[" + key + "]", key})
		}
		if s.TrustRoot != "" {
			out = append(out, namedFile{at + ".trustRoot", s.TrustRoot})
		}
	}
	v := i.Vulnerabilities
	if v.Report != nil && *v.Report != profiles.NoReport {
		out = append(out, namedFile{"image.vulnerabilities.report", *v.Report})
	}
	for _, file := range v.VEX {
		out = append(out, namedFile{"image.vulnerabilities.vex[" + file + "]", file})
	}
	return out
}

// checkNamed says why no image could be checked with a file.
func checkNamed(path string) error {
	_, err := image.StampOf(path)
	if errors.Is(err, fs.ErrNotExist) {
		return problem.New("put it there before an image is run under this profile", "there is no %s on this host", path)
	}
	if err != nil {
		return problem.New("name a file that can be read", "%s cannot be used: %w", path, errors.Unwrap(err))
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return problem.New("chmod go-w "+path, "%s can be written by others (mode %04o)", path, mode)
	}
	return nil
}
