package image

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/plainjson"
	"github.com/safe-run/safe-run/spec/problem"
)

// PolicyFiles are the places of containers-policy.json(5); the first that
// exists counts.
func PolicyFiles() []string {
	files := []string{"/etc/containers/policy.json"}
	config := os.Getenv("XDG_CONFIG_HOME")
	if home := os.Getenv("HOME"); config == "" && home != "" {
		config = filepath.Join(home, ".config")
	}
	if filepath.IsAbs(config) {
		files = append([]string{filepath.Join(config, "containers", "policy.json")}, files...)
	}
	return files
}

// TrustHash identifies what an image is checked against: the policy, and the
// state of every file that it or the host names. What was checked under
// another hash is checked again.
func TrustHash(t spec.Trust) (string, error) {
	basis := struct {
		Trust spec.Trust
		Files []Stamp
	}{Trust: t}
	for _, file := range PolicyFiles() {
		// One that is not there, or is no file, is a state too.
		stamp, err := StampOf(file)
		if err != nil {
			stamp = Stamp{Path: file}
		}
		basis.Files = append(basis.Files, stamp)
	}
	for _, file := range t.Files() {
		stamp, err := policyStamp(file)
		if err != nil {
			return "", problem.New(cmp.Or(problem.HintOf(err), "put the file there, or change the profile's image section"), "what images are checked with cannot be used: %w", err)
		}
		basis.Files = append(basis.Files, stamp)
	}
	b, err := plainjson.Marshal(basis)
	if err != nil {
		return "", fmt.Errorf("hash the policy: %w", err)
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// policyStamp takes the stamp of a file that decides about images: nobody but
// its owner may write to it.
func policyStamp(file string) (Stamp, error) {
	stamp, err := StampOf(file)
	if err != nil {
		return Stamp{}, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return Stamp{}, err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return Stamp{}, problem.New("chmod go-w "+file, "%s can be written by others (mode %04o)", file, mode)
	}
	return stamp, nil
}

// refuseUnnamed refuses an image that is a plain directory or program where
// the policy asks for anything: it has neither a digest nor an origin.
func refuseUnnamed(r Reference, t spec.Trust) error {
	if r.Stored() || t.Zero() {
		return nil
	}
	return problem.New(withDigest(r, t),
		"image %s has no digest that could be checked, and the profile checks images", r)
}

// withDigest is the hint how to bring what has no digest to what t asks for.
func withDigest(r Reference, t spec.Trust) string {
	const or = "use a profile that asks nothing of images"
	if t.Registries != nil && len(t.Registries) == 0 {
		return or + ": this one lets no image run"
	}
	steps := "make an image of it"
	if r.Transport == Program {
		steps = "put it into an image"
	}
	switch {
	case t.Registries != nil:
		steps += ", push it to a registry of image.registries"
	case t.RequireDigest || len(t.Signatures) > 0:
		steps += ", push it to a registry"
	case r.Transport == Dir: // a gate judges whatever has a digest
		steps = "safe-run image import " + r.String() + " NAME, then safe-run NAME"
	}
	if len(t.Signatures) > 0 {
		steps += ", sign it there (cosign sign)"
	}
	if t.RequireDigest {
		steps += ", run it by its digest"
	}
	return steps + "; or " + or
}
