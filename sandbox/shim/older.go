package shim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	bootapi "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// maxStart bounds what containerd says when it starts a shim.
const maxStart = 10 << 20

// addressFile is where a containerd before 1.7 looks for a shim's address when
// it comes back, in the bundle. Who starts the shim writes it.
const addressFile = "address"

// older answers the command "start" as a containerd before 2.3 wants it, and
// says whether there was one to answer. The library speaks only the protocol
// that came with 2.3: parameters in standard input, the answer in protobuf. Who
// is older gives the runtime's options there, or nothing, all else as arguments,
// and wants the address in plain text, which says that the shim serves version 2
// of the task service.
func (m *manager) older(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) (bool, error) {
	if len(args) == 0 || args[len(args)-1] != "start" {
		return false, nil
	}
	said, err := io.ReadAll(io.LimitReader(stdin, maxStart))
	if err != nil {
		return false, fmt.Errorf("what containerd says: %w", err)
	}
	id, namespace := argument(args, "-id"), argument(args, "-namespace")
	if isBootstrap(said, id, namespace) {
		return false, giveBack(said)
	}
	if id == "" || namespace == "" {
		return true, errors.New("start needs -id and -namespace")
	}
	in, err := olderParams(args, said)
	if err != nil {
		return true, err
	}
	result, err := m.Start(namespaces.WithNamespace(ctx, namespace), in)
	if err != nil {
		return true, err
	}
	if err := writeWhole(addressFile, []byte(result.GetAddress())); err != nil {
		return true, err
	}
	_, err = io.WriteString(stdout, result.GetAddress())
	return true, err
}

// argument is the value of a flag, as containerd writes flags.
func argument(args []string, name string) string {
	at := slices.Index(args, name)
	if at < 0 || at+1 >= len(args) {
		return ""
	}
	return args[at+1]
}

// isBootstrap says whether these are the parameters of the newer protocol.
// Options can be read as such, too, and then name another container.
func isBootstrap(said []byte, id, namespace string) bool {
	var params bootapi.BootstrapParams
	return len(said) > 0 && proto.Unmarshal(said, &params) == nil &&
		params.GetInstanceID() == id && params.GetNamespace() == namespace
}

// giveBack puts what was read from standard input there again, for the library.
func giveBack(said []byte) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := unix.Dup3(int(r.Fd()), 0, 0); err != nil {
		return errors.Join(err, w.Close())
	}
	go func() {
		defer w.Close()
		_, _ = io.Copy(w, bytes.NewReader(said)) // the library reads all of it, or ends
	}()
	return nil
}

// olderParams are the parameters that the arguments and the options make.
func olderParams(args []string, said []byte) (*bootapi.BootstrapParams, error) {
	in := &bootapi.BootstrapParams{
		InstanceID: argument(args, "-id"), Namespace: argument(args, "-namespace"), ContainerdGrpcAddress: argument(args, "-address"),
	}
	if slices.Contains(args, "-debug") {
		in.LogLevel = bootapi.LogLevel_LOG_LEVEL_DEBUG
	}
	if len(said) > 0 {
		options := &anypb.Any{}
		if err := proto.Unmarshal(said, options); err != nil {
			return nil, fmt.Errorf("the runtime's options: %w", err)
		}
		in.Extensions = []*bootapi.Extension{{Value: options}}
	}
	return in, nil
}

// writeWhole writes a file of which no half is ever seen.
func writeWhole(name string, data []byte) error {
	partial := name + ".part"
	if err := os.WriteFile(partial, data, 0o600); err != nil {
		return err
	}
	return os.Rename(partial, name)
}

// registerOlder registers version 2 of the task service, which containerd
// before 2.0 calls. Its messages are those of version 3 under other names.
func registerOlder(server *ttrpc.Server, s taskapi.TTRPCTaskService) {
	server.RegisterService("containerd.task.v2.Task", &ttrpc.ServiceDesc{Methods: map[string]ttrpc.Method{
		"State":      method(s.State),
		"Create":     method(s.Create),
		"Start":      method(s.Start),
		"Delete":     method(s.Delete),
		"Pids":       method(s.Pids),
		"Pause":      method(s.Pause),
		"Resume":     method(s.Resume),
		"Checkpoint": method(s.Checkpoint),
		"Kill":       method(s.Kill),
		"Exec":       method(s.Exec),
		"ResizePty":  method(s.ResizePty),
		"CloseIO":    method(s.CloseIO),
		"Update":     method(s.Update),
		"Wait":       method(s.Wait),
		"Stats":      method(s.Stats),
		"Connect":    method(s.Connect),
		"Shutdown":   method(s.Shutdown),
	}})
}

func method[Ask, Answer any](call func(context.Context, *Ask) (*Answer, error)) ttrpc.Method {
	return func(ctx context.Context, unmarshal func(any) error) (any, error) {
		ask := new(Ask)
		if err := unmarshal(ask); err != nil {
			return nil, err
		}
		return call(ctx, ask)
	}
}
