package runc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/userns"
	"github.com/opencontainers/cgroups/systemd"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runc/libcontainer/utils"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
)

// What libcontainer answers, for programs to tell apart.
var (
	ErrNotExist   = libcontainer.ErrNotExist
	ErrNotRunning = libcontainer.ErrNotRunning
)

// The states of a container, as the runtime spec names them.
const (
	Created = "created"
	Running = "running"
	Paused  = "paused"
	Stopped = "stopped"
)

// Bundles is a state directory of containers that were made from bundles, laid
// out as runc's.
type Bundles struct {
	Root string
	// Systemd selects the systemd cgroup driver.
	Systemd bool
	// Rootless says whether cgroups that may not be changed are gone without;
	// nil asks who the caller is.
	Rootless *bool
}

// BundleOptions is what a container is made with beside its spec.
type BundleOptions struct {
	NoPivot      bool // chroot(2) in place of pivot_root(2), for a root on a ramdisk
	NoNewKeyring bool
	// Directory is the bundle, when that is not the working directory; the
	// spec's paths are absolute then.
	Directory string
	// Met is kept beside the container, for execs and updates to be met with;
	// nil when no policy applies.
	Met []byte
	// Landlock is what its processes put themselves under, the first one and those
	// that join; nil: nothing.
	Landlock *spec.Landlock
}

// Bundle is a container that was made from a bundle, by this process or by
// another that has ended.
type Bundle struct {
	container *libcontainer.Container
	dir       string
	rootless  bool
}

// BundleState is what runc tells about a container.
type BundleState struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"`
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
}

// Create makes a container of the spec, whose relative paths are below the
// working directory; nothing runs yet.
func (b Bundles) Create(id string, oci *specs.Spec, o BundleOptions) (*Bundle, error) {
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{
		CgroupName:       id,
		UseSystemdCgroup: b.Systemd,
		NoPivotRoot:      o.NoPivot,
		NoNewKeyring:     o.NoNewKeyring,
		Spec:             oci,
		RootlessEUID:     os.Geteuid() != 0,
		RootlessCgroups:  b.rootlessCgroups(),
	})
	if err != nil {
		return nil, err
	}
	if o.Directory != "" {
		at := slices.IndexFunc(config.Labels, func(l string) bool { return strings.HasPrefix(l, "bundle=") })
		config.Labels = append(slices.Delete(config.Labels, at, at+1), "bundle="+o.Directory)
	}
	if err := underLandlock(config, o.Landlock); err != nil {
		return nil, err
	}
	filtered(config)
	container, err := libcontainer.Create(b.Root, id, config)
	if err != nil {
		return nil, err
	}
	made := b.bundle(container)
	if o.Met == nil {
		return made, nil
	}
	if err := os.WriteFile(made.metFile(), o.Met, 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(made.dir))
	}
	return made, nil
}

func (b Bundles) bundle(container *libcontainer.Container) *Bundle {
	return &Bundle{container, filepath.Join(b.Root, container.ID()), container.Config().RootlessCgroups}
}

// rootlessCgroups says whether cgroups are gone without where they may not be
// changed: for whoever is not root, and for root of a user namespace, unless it
// has a systemd of its own.
func (b Bundles) rootlessCgroups() bool {
	switch {
	case b.Rootless != nil:
		return *b.Rootless
	case os.Geteuid() != 0:
		return true
	case !userns.RunningInUserNS():
		return false
	case !b.Systemd:
		return true
	}
	owner, err := systemd.DetectUID()
	return err == nil && owner != 0
}

// OwnRuntimeDir says whether the caller keeps state in a directory of its own
// ($XDG_RUNTIME_DIR) and not in the machine's: as who is not root, or is root of
// a user namespace only.
func OwnRuntimeDir() bool {
	if os.Geteuid() != 0 {
		return true
	}
	user, known := os.LookupEnv("USER")
	return userns.RunningInUserNS() && (!known || user != "root")
}

// maxState bounds state.json, which grows with the spec that it was made from.
const maxState = 64 << 20

// Load finds a container by its id.
func (b Bundles) Load(id string) (*Bundle, error) {
	state := filepath.Join(b.Root, filepath.Base(id), "state.json")
	if info, err := os.Stat(state); err == nil && (!info.Mode().IsRegular() || info.Size() > maxState) {
		return nil, fmt.Errorf("%s is not a state that was written here", state)
	}
	container, err := load(b.Root, id)
	if err != nil {
		return nil, err
	}
	return b.bundle(container), nil
}

// load turns libcontainer's panic on a state that holds nothing into an error.
func load(root, id string) (c *libcontainer.Container, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the state of container %s is damaged", id)
		}
	}()
	c, err = libcontainer.Load(root, id)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		err = fmt.Errorf("the state of container %s is damaged: %w", id, err)
	}
	return c, err
}

// ID is the container's id.
func (b *Bundle) ID() string { return b.container.ID() }

// Directory is the bundle that the container was made from.
func (b *Bundle) Directory() (dir string, known bool) {
	return utils.SearchLabels(b.container.Config().Labels, "bundle")
}

// Status is the state that the container is in.
func (b *Bundle) Status() (string, error) {
	status, err := b.container.Status()
	if err != nil {
		return "", err
	}
	return status.String(), nil
}

// State is what runc tells about a container, without its owner.
func (b *Bundle) State() (BundleState, error) {
	status, err := b.Status()
	if err != nil {
		return BundleState{}, err
	}
	state, err := b.container.State()
	if err != nil {
		return BundleState{}, err
	}
	pid := state.InitProcessPid
	if status == Stopped {
		pid = 0
	}
	bundle, annotations := utils.Annotations(state.Config.Labels)
	delete(annotations, strings.TrimSuffix(landlockLabel, "="))
	return BundleState{
		Version: state.Config.Version, ID: state.ID, Pid: pid, Status: status,
		Bundle: bundle, Rootfs: state.Config.Rootfs, Created: state.Created, Annotations: annotations,
	}, nil
}

// metFile is where BundleOptions.Met is kept; it goes with the container.
func (b *Bundle) metFile() string { return filepath.Join(b.dir, "met.json") }

// Met is what the container was made with as BundleOptions.Met.
func (b *Bundle) Met() ([]byte, error) {
	data, err := os.ReadFile(b.metFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Start lets the first process run its program.
func (b *Bundle) Start() error { return b.container.Exec() }

// Processes lists the processes of the container, as the host numbers them.
func (b *Bundle) Processes() ([]int, error) { return b.container.Processes() }

// Pause stops every process of the container.
func (b *Bundle) Pause() error { return b.container.Pause() }

// Resume undoes Pause.
func (b *Bundle) Resume() error { return b.container.Resume() }

// OOM gives a value for each time that the kernel ran out of the container's
// memory, and is closed when the container ends.
func (b *Bundle) OOM() (<-chan struct{}, error) { return b.container.NotifyOOM() }

// Destroy removes what is left of a container that has stopped.
func (b *Bundle) Destroy() error { return b.container.Destroy() }
