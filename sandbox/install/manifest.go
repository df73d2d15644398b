package install

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/install"
	"github.com/safe-run/safe-run/spec/problem"
)

// installed is where it is written down what was installed.
const installed = "/etc/safe-run/installed"

const manifestVersion = 1

// manifest is what was installed for an engine.
type manifest struct {
	Version int      `json:"version"`
	Files   []record `json:"files"`
	// Directories were made for them, the highest first.
	Directories []string `json:"directories,omitempty"`
}

// record is a file, and what it was before.
type record struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	// Existed: it was there, and Before was in it.
	Existed bool   `json:"existed,omitempty"`
	Before  []byte `json:"before,omitempty"`
	Policy  bool   `json:"policy,omitempty"`
	// Replaced is the hash of what an earlier installation had written: who is
	// killed in between leaves that.
	Replaced string `json:"replaced,omitempty"`
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// written says whether a file is as it was installed.
func (r record) written(data []byte) bool {
	return data != nil && slices.Contains([]string{r.SHA256, r.Replaced}, hashOf(data))
}

// untouched says whether it is as it was before.
func (r record) untouched(data []byte) bool {
	return (data != nil) == r.Existed && bytes.Equal(data, r.Before)
}

// was is what to put back; nil for nothing.
func (r record) was() []byte {
	if !r.Existed {
		return nil
	}
	return append([]byte{}, r.Before...)
}

func (m *manifest) of(name string) (record, bool) {
	if m != nil {
		for _, r := range m.Files {
			if r.Path == name {
				return r, true
			}
		}
	}
	return record{}, false
}

// without fails when an earlier installation wrote what this one does not: it
// would be forgotten.
func (m *manifest) without(files []install.File) error {
	if m == nil {
		return nil
	}
	for _, r := range m.Files {
		if !r.Policy && !slices.ContainsFunc(files, func(f install.File) bool { return f.Path == r.Path }) {
			return problem.New("take it back first: --undo", "safe-run is installed in another way, with %s", r.Path)
		}
	}
	return nil
}

func (m *manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	return append(data, '\n'), err
}

func manifestPath(engine string) string { return path.Join(installed, engine+".json") }
func staging(engine string) string      { return path.Join(installed, ".new-"+engine) }

// manifest reads what was installed for an engine; nil for nothing.
func (t *Tree) manifest(engine string) (*manifest, error) {
	name := manifestPath(engine)
	data, err := t.read(name)
	if err != nil || data == nil {
		return nil, err
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, problem.New("take out by hand what was installed, then remove the file", "%s: %w", name, err)
	}
	return m, nil
}

func parseManifest(data []byte) (*manifest, error) {
	m := &manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	if m.Version != manifestVersion {
		return nil, fmt.Errorf("it has version %d, not %d", m.Version, manifestVersion)
	}
	names := slices.Clone(m.Directories)
	for _, r := range m.Files {
		names = append(names, r.Path)
	}
	for _, name := range names {
		if name != "/etc" && !strings.HasPrefix(name, "/etc/") || !fs.ValidPath(name[1:]) {
			return nil, fmt.Errorf("%q is nothing that was installed", name)
		}
	}
	return m, nil
}

// others are the manifests of all other engines.
func (t *Tree) others(engine string) ([]*manifest, error) {
	entries, err := fs.ReadDir(t.root.FS(), below(installed))
	if err != nil {
		return nil, nil //nolint:nilerr // no directory, no manifests; what is wrong with it is told by who writes
	}
	var all []*manifest
	for _, e := range entries {
		name, isManifest := strings.CutSuffix(e.Name(), ".json")
		if !isManifest || name == engine {
			continue
		}
		m, err := t.manifest(name)
		if err != nil {
			return nil, err
		}
		if m != nil {
			all = append(all, m)
		}
	}
	return all, nil
}
