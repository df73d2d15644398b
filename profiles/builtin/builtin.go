// Package builtin holds the profiles that come with safe-run, as the YAML that
// a user would write. Read them as examples: each allowance says why.
package builtin

import (
	"bytes"
	"embed"
	"io/fs"
	"strings"

	"github.com/safe-run/safe-run/profiles"
)

// FS holds the documents, one NAME.yaml each.
//
//go:embed *.yaml
var FS embed.FS

// Names lists the built-in profiles, sorted.
func Names() []string {
	entries, _ := FS.ReadDir(".") // an embedded directory is always there
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}

// Finder finds the built-in profiles; it is a profiles.Finder.
type Finder struct{}

// Find gives the document of a built-in profile, or fs.ErrNotExist. What it
// calls the source is the profile's name.
func (Finder) Find(name string) (source string, data []byte, err error) {
	if strings.ContainsAny(name, "/.") {
		return "", nil, fs.ErrNotExist
	}
	data, err = FS.ReadFile(name + ".yaml")
	return name, data, err
}

//go:generate go test -run ^TestDecodedIsFresh$ -update .

// Decoded is a document that was found here, as profiles.Decode would give it:
// it was decoded when the program was made, which a launch does not wait for.
func (Finder) Decoded(source string, data []byte) (profiles.Profile, bool) {
	own, err := FS.ReadFile(source + ".yaml")
	if err != nil || !bytes.Equal(own, data) {
		return profiles.Profile{}, false
	}
	switch source {
	case "batch":
		return decodedBatch(), true
	case "db":
		return decodedDb(), true
	case "default":
		return decodedDefault(), true
	case "shell":
		return decodedShell(), true
	case "web":
		return decodedWeb(), true
	case "worker":
		return decodedWorker(), true
	}
	return profiles.Profile{}, false
}

// Names lists the built-in profiles, sorted.
func (Finder) Names() []string { return Names() }
