package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	conf "go.podman.io/storage/types"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// podmanStore is one directory in which podman, buildah or CRI-O keep images.
//
// It is read here rather than with podman's library: opening a store with that
// makes directories and locks, test-mounts an overlay, and records "overlay
// does not work" for podman itself when the process may not mount. All that is
// needed of a store are two JSON files, the documents of an image, and layers,
// and all of it is checked against digests.
type podmanStore struct {
	root   string
	driver string
}

// podmanImage is an entry of images.json, podmanLayer one of layers.json.
type (
	podmanImage struct {
		ID       string   `json:"id"`
		Names    []string `json:"names"`
		TopLayer string   `json:"layer"`
		Data     []string `json:"big-data-names"`
	}
	podmanLayer struct {
		ID     string `json:"id"`
		Parent string `json:"parent"`
		DiffID string `json:"diff-digest"`
		Size   int64  `json:"diff-size"`
		store  *podmanStore
	}
)

// podmanID is what may become part of a path in a store.
var podmanID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Drivers whose layers are plain directories.
var podmanDrivers = []string{"overlay", "vfs"}

// maxStoreFile bounds images.json and layers.json: a store of ten thousand
// images has some 40 MiB.
const maxStoreFile = 64 << 20

// findInContainersStorage finds the image that ref names in podman's stores.
func findInContainersStorage(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	options, err := conf.LoadStoreOptions(conf.LoadOptions{})
	if err != nil {
		return nil, problem.New("look at containers-storage.conf(5)", "where podman keeps images cannot be told: %w", err)
	}
	stores, err := podmanStores(options)
	if err != nil {
		return nil, err
	}
	if len(stores) == 0 {
		return nil, notThere("no store", "podman pull or podman build make one", "podman has no images here: there is no store in %s", options.GraphRoot)
	}
	return findInStores(stores, ref, o)
}

// podmanStores are the stores that exist, the one that is written to first.
func podmanStores(options conf.StoreOptions) ([]*podmanStore, error) {
	var stores []*podmanStore
	for _, root := range storeRoots(options) {
		drivers := podmanDrivers
		if options.GraphDriverName != "" {
			drivers = []string{options.GraphDriverName}
		}
		for _, driver := range drivers {
			if !driverName.MatchString(driver) {
				return nil, problem.New("look at containers-storage.conf(5)", "podman's storage driver is %q", driver)
			}
			s := &podmanStore{root: root, driver: driver}
			if _, err := os.Stat(s.index()); errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				return nil, problem.New("run as the user whose images they are", "podman's store cannot be read: %w", err)
			}
			if !slices.Contains(podmanDrivers, driver) {
				return nil, problem.New(saveIt("NAME"), "podman's storage driver is %s; only overlay and vfs can be read", driver)
			}
			stores = append(stores, s)
			break
		}
	}
	return stores, nil
}

func storeRoots(options conf.StoreOptions) []string {
	var roots []string
	if options.ImageStore != "" {
		roots = append(roots, options.ImageStore)
	}
	roots = append(roots, options.GraphRoot)
	for _, option := range options.GraphDriverOptions {
		key, value, _ := strings.Cut(option, "=")
		if key == "imagestore" || strings.HasSuffix(key, ".imagestore") {
			roots = append(roots, strings.Split(value, ",")...)
		}
	}
	return slices.DeleteFunc(roots, func(root string) bool { return !filepath.IsAbs(root) })
}

// saveIt is the hint for an image that must be read through podman.
func saveIt(name string) string {
	return "podman save --format oci-archive -o FILE " + name + ", then oci-archive:FILE"
}

func (s *podmanStore) index() string { return filepath.Join(s.root, s.driver+"-images", "images.json") }

// findInStores finds the image in the first store that has it.
func findInStores(stores []*podmanStore, ref image.Reference, o Options) (*Image, error) {
	var files []string
	for _, s := range stores {
		files = append(files, s.index())
	}
	// Taken first: whatever is written later makes them stale.
	stamps, err := stampsOf(files, nil)
	if err != nil {
		return nil, err
	}
	for _, s := range stores {
		var all []podmanImage
		if err := readStore(s.index(), &all); err != nil {
			return nil, err
		}
		entry, manifest := chooseEntry(all, ref)
		if entry == nil {
			continue
		}
		found, err := s.image(entry, manifest, stores, o)
		if err != nil {
			return nil, fmt.Errorf("podman's image %s: %w", ref.Path, err)
		}
		found.Stamps = stamps
		if err := pinned(found, ref); err != nil {
			return nil, err
		}
		return found, nil
	}
	return nil, notThere("no such image", "podman image ls shows what it has; podman build -t "+ref.Path+" . makes it", "podman has no image %s", ref.Path)
}

// chooseEntry finds the image that ref names, and under which name its
// manifest is kept. A short name is what was built here before it is what was
// pulled, as podman has it.
func chooseEntry(all []podmanImage, ref image.Reference) (*podmanImage, string) {
	repository, tag, digest := ref.Full().Name()
	repositories := []string{fullRepository(repository)}
	if !hasHost(repository) {
		repositories = []string{"localhost/" + repository, fullRepository(repository)}
	}
	for _, repository := range repositories {
		for i, entry := range all {
			if digest == "" && slices.Contains(entry.Names, repository+":"+tag) {
				return &all[i], "manifest"
			}
			if digest != "" && slices.Contains(entry.Data, "manifest-"+digest) &&
				slices.ContainsFunc(entry.Names, func(name string) bool {
					named, _, _ := image.Reference{Transport: image.Docker, Path: name}.Name()
					return named == repository
				}) {
				return &all[i], "manifest-" + digest
			}
		}
	}
	return nil, ""
}

// image reads what the store has of the image entry.
func (s *podmanStore) image(entry *podmanImage, name string, stores []*podmanStore, o Options) (*Image, error) {
	if !podmanID.MatchString(entry.ID) {
		return nil, problem.New("podman system check", "it has an impossible id: %q", oneLine(entry.ID))
	}
	documents := podmanData{filepath.Join(s.root, s.driver+"-images", entry.ID)}
	data, err := documents.read(name)
	if err != nil {
		return nil, err
	}
	// The layout's reader chooses the platform and checks all digests.
	first := v1.Descriptor{Digest: hashBytes(data), Size: int64(len(data))}
	l := &layout{blobs: documents, index: v1.IndexManifest{Manifests: []v1.Descriptor{first}}}
	found, err := l.choose("", o.Arch)
	if err != nil {
		return nil, err
	}
	if found.MediaType == "" {
		found.MediaType = types.OCIManifestSchema1
	}
	if found.Index == (v1.Hash{}) {
		found.Index = documents.indexOf(entry.Data, found.Digest)
	}
	return found, s.openLayers(found, entry.TopLayer, stores, o)
}

// readStore reads a JSON file of a store.
func readStore(path string, into any) error {
	data, err := readBounded(path, maxStoreFile)
	if err != nil {
		return problem.New("run as the user whose images they are", "podman's store cannot be read: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return problem.New("podman system check", "podman's %s is malformed: %w", path, err)
	}
	return nil
}

// openLayers gives the layers as the store has them.
func (s *podmanStore) openLayers(found *Image, top string, stores []*podmanStore, o Options) error {
	if len(found.Layers) > o.Limits.Layers {
		return bounds.TooManyLayers(o.Limits.Layers)
	}
	all, err := layersOf(stores)
	if err != nil {
		return err
	}
	return describe(found, top, all)
}

// describe says of the layers what opening them gives: uncompressed ones,
// whatever the manifest says that was published. top is the id of the highest.
func describe(found *Image, top string, all map[string]podmanLayer) error {
	kind := types.OCIUncompressedLayer
	if found.MediaType == types.DockerManifestSchema2 {
		kind = types.DockerUncompressedLayer
	}
	for i, layer := range slices.Backward(found.Layers) {
		kept, there := all[top]
		if !there || !podmanID.MatchString(kept.ID) {
			return problem.New("pull it with podman again", "its layer %d is not in the store", i+1)
		}
		if kept.DiffID != "" && kept.DiffID != layer.DiffID.String() {
			return problem.New("pull it with podman again", "its layer %d is %s in the store, not %s", i+1, oneLine(kept.DiffID), layer.DiffID)
		}
		size := kept.Size
		if size <= 0 {
			size = -1
		}
		found.Layers[i] = Layer{Digest: layer.DiffID, Size: size, DiffID: layer.DiffID, MediaType: kind, Open: kept.open}
		top = kept.Parent
	}
	if top != "" {
		return problem.New("pull it with podman again", "it has more layers in the store than in its manifest")
	}
	return nil
}

// layersOf are the layers of all stores: those of an image may be in another.
func layersOf(stores []*podmanStore) (map[string]podmanLayer, error) {
	all := map[string]podmanLayer{}
	for _, s := range stores {
		var some []podmanLayer
		if err := readStore(filepath.Join(s.root, s.driver+"-layers", "layers.json"), &some); err != nil {
			return nil, err
		}
		for _, layer := range some {
			if _, twice := all[layer.ID]; !twice {
				layer.store = s
				all[layer.ID] = layer
			}
		}
	}
	return all, nil
}
