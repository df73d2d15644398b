package source

import (
	"cmp"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/spec/problem"
)

// readConfig reads an image config and checks that it is for this kind of
// machine and for as many layers as its manifest has.
func readConfig(raw []byte, layers int, arch string) (*v1.ConfigFile, error) {
	var c v1.ConfigFile
	if err := decode(raw, &c, "image config"); err != nil {
		return nil, err
	}
	switch {
	case c.OS != "linux" || c.Architecture != arch:
		return nil, problem.New("build it for linux/"+arch, "it is for %s/%s, this machine is linux/%s",
			cmp.Or(c.OS, "an unnamed system"), cmp.Or(c.Architecture, "an unnamed architecture"), arch)
	case len(c.RootFS.DiffIDs) != layers:
		return nil, problem.New(badManifest, "its config is of %d layers, its manifest of %d", len(c.RootFS.DiffIDs), layers)
	}
	return &c, nil
}
