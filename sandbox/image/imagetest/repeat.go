package imagetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Tall writes a new OCI layout at dir with the image's last layer times more on
// top: what a layer is among those below it is another each time, but its blob is
// there once.
func (i Image) Tall(dir string, times int) error {
	if err := i.Layout(dir, ""); err != nil {
		return err
	}
	img, err := i.Build()
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	last := len(manifest.Layers) - 1
	for range times {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, config.RootFS.DiffIDs[last])
		manifest.Layers = append(manifest.Layers, manifest.Layers[last])
	}
	config.History = nil
	manifest.Config.Digest, manifest.Config.Size, err = blob(dir, config)
	if err != nil {
		return err
	}
	digest, size, err := blob(dir, manifest)
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, manifest.MediaType, digest, size)
	return errors.Join(err, os.WriteFile(filepath.Join(dir, "index.json"), []byte(index), 0o644))
}

// blob writes a document into a layout.
func blob(dir string, doc any) (v1.Hash, int64, error) {
	data, err := json.Marshal(doc)
	if err != nil {
		return v1.Hash{}, 0, err
	}
	sum := sha256.Sum256(data)
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
	return digest, int64(len(data)), os.WriteFile(filepath.Join(dir, "blobs", digest.Algorithm, digest.Hex), data, 0o644)
}
