package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// dockerSocket is where dockerd listens unless DOCKER_HOST says otherwise.
const dockerSocket = "/var/run/docker.sock"

// How long dockerd may take: to answer, and to go on with an export, which it
// writes to its own disk before it sends the first byte.
const (
	dockerAnswers = 30 * time.Second
	dockerPauses  = 5 * time.Minute
)

// findInDockerDaemon finds the image that ref names in dockerd's store. It has
// dockerd export it: what dockerd keeps itself is no archive, and differs with
// its version.
func findInDockerDaemon(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	socket, err := dockerAddress(os.Getenv("DOCKER_HOST"))
	if err != nil {
		return nil, err
	}
	d, err := dialDocker(ctx, socket)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return d.find(ctx, ref, o)
}

// dockerAddress is the path of dockerd's socket. What the network gives is
// nobody's local image.
func dockerAddress(host string) (string, error) {
	path, local := strings.CutPrefix(host, "unix://")
	switch {
	case host == "":
		return dockerSocket, nil
	case local && filepath.IsAbs(path):
		return path, nil
	}
	scheme, _, _ := strings.Cut(host, "://") // what follows may have a password
	return "", problem.New("unset DOCKER_HOST or set it to unix:///PATH; from another host, copy the image: docker save NAME -o FILE, then docker-archive:FILE",
		"DOCKER_HOST is not the socket of this host's dockerd but %s", oneLine(scheme)+"://...")
}

func (d *docker) find(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	var info dockerInfo
	if err := d.get(ctx, "/info", &info); err != nil {
		return nil, err
	}
	// Before the id is asked for: a name that changes meanwhile is asked for
	// again.
	before, err := stampsOf(info.tagFiles(), nil)
	if err != nil {
		return nil, err
	}
	id, err := d.id(ctx, ref)
	if err != nil {
		return nil, err
	}
	if _, _, digest := ref.Name(); digest != "" && digest != id {
		return nil, notThere("cannot prove digests", "leave the digest out, or name the registry: docker://"+ref.Path,
			"dockerd keeps no manifest with which %s could be checked", ref)
	}
	if found := o.stored(id); found != nil && before != nil {
		found.Stamps = before
		return found, nil
	}
	o.note("exporting %s", ref)
	f, err := d.export(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	if before == nil {
		if before, err = stampsOf(nil, f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	found, err := readExport(ctx, f, ref, o)
	if err != nil {
		return nil, err
	}
	found.Stamps = before
	if err := sameID(found, id); err != nil {
		return nil, errors.Join(err, found.Close())
	}
	return found, nil
}

// readExport reads what dockerd exported. With containerd's store, and since
// version 25, it is an OCI layout as well.
func readExport(ctx context.Context, f *os.File, ref image.Reference, o Options) (*Image, error) {
	a, err := exported(ctx, f)
	if err != nil {
		return nil, err
	}
	if a.has("oci-layout") && a.has("index.json") {
		return findIn(a, "", o)
	}
	return findSaved(ctx, a, image.Reference{Transport: image.DockerArchive, Path: ref.String()}, o)
}

// sameID checks that the export is of the image with that id. In docker's own
// store that is the digest of the config, and the manifest was made for the
// export; in containerd's it is the digest of the published manifest or index.
func sameID(found *Image, id string) error {
	switch id {
	case hashBytes(found.Config).String():
		found.Made = true
		return nil
	case found.Digest.String(), found.Index.String():
		return nil
	}
	return problem.New("wait until it is written, then run again", "dockerd exported another image than it said it has, with the id %s", id)
}

// driverName is what may become part of the path of docker's names.
var driverName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// boltFile is where containerd keeps its names, below its root.
const boltFile = "io.containerd.metadata.v1.bolt/meta.db"

// dockerInfo is what dockerd says about itself.
type dockerInfo struct {
	DockerRootDir string
	Driver        string
	DriverStatus  [][]string
}

// tagFiles are the files that may change when docker's names change; none when
// it does not say where they are.
func (i dockerInfo) tagFiles() []string {
	if !filepath.IsAbs(i.DockerRootDir) || !driverName.MatchString(i.Driver) {
		return nil
	}
	for _, pair := range i.DriverStatus {
		if len(pair) == 2 && pair[0] == "driver-type" && strings.HasPrefix(pair[1], "io.containerd.snapshotter") {
			return []string{
				filepath.Join(i.DockerRootDir, "containerd/daemon", boltFile),
				filepath.Join(containerdRoot, boltFile),
			}
		}
	}
	return []string{filepath.Join(i.DockerRootDir, "image", i.Driver, "repositories.json")}
}
