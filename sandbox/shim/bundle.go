package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// maxConfig bounds config.json; the largest in use, with a system call filter
// for every architecture, have some 100 KiB.
const maxConfig = 16 << 20

// readBundle reads the spec of a bundle. Paths in it are absolute afterwards:
// one shim serves the containers of a pod, and has one working directory.
func readBundle(bundle string) (*specs.Spec, error) {
	f, err := os.Open(filepath.Join(bundle, "config.json"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%s has more than %d MiB", f.Name(), maxConfig>>20)
	}
	return parseBundle(bundle, data)
}

func parseBundle(bundle string, data []byte) (*specs.Spec, error) {
	var oci *specs.Spec
	if err := json.Unmarshal(data, &oci); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	switch {
	case oci == nil || oci.Process == nil:
		return nil, errors.New("config.json has no process")
	case oci.Root == nil:
		return nil, errors.New("config.json has no root")
	case len(oci.Process.Args) == 0:
		return nil, errors.New("config.json: args must not be empty")
	case !filepath.IsAbs(oci.Process.Cwd):
		return nil, errors.New("config.json: cwd must be an absolute path")
	}
	if !filepath.IsAbs(oci.Root.Path) {
		oci.Root.Path = filepath.Join(bundle, oci.Root.Path)
	}
	return oci, nil
}

// stateOf is where the state of a bundle's container is kept: in the bundle, so
// that it goes with the bundle, and no two daemons share a directory.
func stateOf(bundle string) string { return filepath.Join(bundle, "saferun") }

// isScope says whether a control group is named as a scope of systemd's: slice,
// prefix and name. The options of a runtime need not say so a second time.
func isScope(path string) bool {
	return strings.Count(path, ":") == 2 && !strings.Contains(path, "/")
}
