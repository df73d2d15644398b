package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	bootapi "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	"github.com/containerd/containerd/api/types"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/defaults"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	containerdshim "github.com/containerd/containerd/v2/pkg/shim"
	"github.com/containerd/containerd/v2/version"
	"github.com/containerd/log"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// manager is what the shim does when it is not the service: start one, clean up
// after one, and tell what it can do.
type manager struct {
	name string
	// service are the arguments of the service that Start makes of this process,
	// address is where it listens.
	service []string
	address string
}

// Begun is how a start becomes the service, in place of executing it; nil where
// the program does not import shim/early.
var Begun interface {
	// Socket takes the service's socket.
	Socket(*os.File) error
	// Answered is called when containerd has its answer.
	Answered() error
}

var _ containerdshim.Shim = (*manager)(nil)

// groups are the annotations by which containers share a shim, in the order in
// which they count.
var groups = []string{"io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"}

// Name implements the library's Shim.
func (m *manager) Name() string { return m.name }

// Start starts the service that the container belongs to, in a process of its
// own, or finds the one that its pod has.
func (m *manager) Start(ctx context.Context, in *bootapi.BootstrapParams) (*bootapi.BootstrapResult, error) {
	group, err := groupOf(in.GetInstanceID())
	if err != nil {
		return nil, err
	}
	dir := in.GetSocketDir()
	if dir == "" {
		dir = filepath.Join(defaults.DefaultStateDir, "s")
	}
	address, err := containerdshim.CreateSocketAddress(ctx, dir, in.GetContainerdGrpcAddress(), group, false)
	if err != nil {
		return nil, err
	}
	result := &bootapi.BootstrapResult{Version: 3, Protocol: "ttrpc", Address: address}
	socket, err := listen(address)
	if err != nil || socket == nil {
		return result, err
	}
	defer socket.Close()
	m.address = address
	if err := m.serve(ctx, in, socket); err != nil {
		return nil, errors.Join(err, containerdshim.RemoveSocket(address))
	}
	return result, nil
}

// groupOf is what names the shim: the pod of the container in the working
// directory, or the container itself.
func groupOf(id string) (string, error) {
	f, err := os.Open("config.json")
	if err != nil {
		return "", err
	}
	defer f.Close()
	var bundle struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.NewDecoder(io.LimitReader(f, maxConfig)).Decode(&bundle); err != nil {
		return "", fmt.Errorf("config.json: %w", err)
	}
	for _, name := range groups {
		if group, named := bundle.Annotations[name]; named {
			return group, nil
		}
	}
	return id, nil
}

// listen makes the shim's socket; nil when there is a shim that answers there.
func listen(address string) (*os.File, error) {
	socket, err := containerdshim.NewSocket(address)
	if err != nil && containerdshim.SocketEaddrinuse(err) {
		if containerdshim.CanConnect(address) {
			return nil, nil
		}
		// Its shim has been killed.
		if err := containerdshim.RemoveSocket(address); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("remove pre-existing socket: %w", err)
		}
		socket, err = containerdshim.NewSocket(address)
	}
	if err != nil {
		return nil, fmt.Errorf("create new shim socket: %w", err)
	}
	defer socket.Close()
	socket.SetUnlinkOnClose(false)
	return socket.File()
}

// serve starts this program again, as the service, or makes this process it.
func (m *manager) serve(ctx context.Context, in *bootapi.BootstrapParams, socket *os.File) error {
	namespace, err := namespaces.NamespaceRequired(ctx)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"-namespace", namespace, "-id", in.GetInstanceID(), "-address", in.GetContainerdGrpcAddress()}
	if in.GetLogLevel() <= bootapi.LogLevel_LOG_LEVEL_DEBUG {
		args = append(args, "-debug")
	}
	if Begun != nil {
		m.service = append([]string{self}, args...)
		return errors.Join(Begun.Socket(socket), m.place(in, os.Getpid()), containerdshim.AdjustOOMScore(os.Getpid()))
	}
	cmd := exec.Command(self, args...)
	cmd.ExtraFiles = []*os.File{socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = m.place(in, cmd.Process.Pid)
	if err == nil {
		err = containerdshim.AdjustOOMScore(cmd.Process.Pid)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("shim: %w", err)
	}
	return cmd.Process.Release()
}

// place puts the service into the control group that containerd's configuration
// names.
func (m *manager) place(in *bootapi.BootstrapParams, pid int) error {
	var o runcoptions.Options
	if found, err := in.FindExtension(&o); err != nil || !found || o.ShimCgroup == "" {
		return nil // other options have no such thing
	}
	return runc.JoinGroup(o.ShimCgroup, pid)
}

// Stop cleans up after a service that was killed, or never came to be.
func (m *manager) Stop(ctx context.Context, id string) (containerdshim.StopStatus, error) {
	own, err := os.Getwd()
	if err != nil {
		return containerdshim.StopStatus{}, err
	}
	bundle := filepath.Join(filepath.Dir(own), id)
	status := containerdshim.StopStatus{ExitStatus: 128 + int(syscall.SIGKILL), ExitedAt: time.Now()}
	made := wasMade(bundle, id)
	if container, err := (runc.Bundles{Root: stateOf(bundle)}).Load(id); err == nil {
		if state, err := container.State(); err == nil {
			status.Pid = state.Pid
		}
		if err := container.Kill(); err != nil {
			log.G(ctx).WithError(err).Warn("the container could not be removed")
		}
	}
	if err := removeGroup(bundle, made); err != nil {
		log.G(ctx).WithError(err).Warn("its control group could not be removed")
	}
	if err := unmountRoot(bundle); err != nil {
		log.G(ctx).WithError(err).Warn("its root could not be unmounted")
	}
	removeSocket(ctx, id)
	Sweep(DefaultNotices)
	if r, err := readRecord(bundle); err == nil {
		status = containerdshim.StopStatus{Pid: r.Pid, ExitStatus: int(r.Code), ExitedAt: r.At}
	}
	return status, nil
}

// removeSocket removes the socket of a shim that does not answer any more.
func removeSocket(ctx context.Context, id string) {
	group, err := groupOf(id)
	if err != nil {
		return
	}
	dir, err := os.Readlink("s") // written by the library, where containerd chooses the place
	if err != nil {
		dir = filepath.Join(defaults.DefaultStateDir, "s")
	}
	at := slices.Index(os.Args, "-address")
	if at < 0 || at+1 >= len(os.Args) {
		return
	}
	address, err := containerdshim.CreateSocketAddress(ctx, dir, os.Args[at+1], group, false)
	if err == nil && !containerdshim.CanConnect(address) {
		_ = containerdshim.RemoveSocket(address)
	}
}

// wasMade says whether the container's directory of state is there:
// libcontainer makes it after it has found the control group empty, before
// anything is in it, and removes it last.
func wasMade(bundle, id string) bool {
	_, err := os.Stat(filepath.Join(stateOf(bundle), id))
	return err == nil
}

// removeGroup removes the control group by its path alone: a shim may be killed
// before it has written down that it made one. A container that was never made,
// or was removed, has none: what its spec names is another's then, which may be
// why it was not made.
func removeGroup(bundle string, made bool) error {
	if !made {
		return nil
	}
	oci, err := readBundle(bundle)
	if err != nil || oci.Linux == nil {
		return err
	}
	path := oci.Linux.CgroupsPath
	return runc.Remove(path, isScope(path))
}

// Info tells what the runtime can do, which containerd offers to its clients
// only when it is told.
func (m *manager) Info(_ context.Context, options io.Reader) (*types.RuntimeInfo, error) {
	data, err := json.Marshal(runc.Features())
	if err != nil {
		return nil, err
	}
	info := &types.RuntimeInfo{
		Name:     m.name,
		Version:  &types.RuntimeVersion{Version: version.Version, Revision: version.Revision},
		Features: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/features/Features", Value: data},
	}
	return info, echo(info, options)
}
