// Package shim is containerd's task service: what containerd asks of a runtime's
// shim, done to bundles in this process, without a runtime's program.
//
// It is a second front to sandbox/runc beside safe-run-oci, and the only package
// that speaks containerd's protocols. What a bundle may ask is not decided here:
// whoever runs the service gives it a Policy.
package shim

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	containerdshim "github.com/containerd/containerd/v2/pkg/shim"
	"github.com/containerd/containerd/v2/pkg/shutdown"
	"github.com/containerd/containerd/v2/plugins"
	"github.com/containerd/plugin"
	"github.com/containerd/plugin/registry"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
)

// Ask is a container that containerd wants, as containerd wrote it.
type Ask struct {
	OCI *specs.Spec
	// Bundle is the directory that relative paths of the spec are below.
	Bundle  string
	Options Options
}

// Policy says what becomes of it. nil holds the container to nothing: the spec
// runs as it is.
type Policy func(Ask) (*spec.Met, error)

// Config is what makes a shim.
type Config struct {
	Name   string // of the runtime, such as io.containerd.saferun.v2
	Policy Policy
	// Stdin, which is descriptor 0, and Stdout are what containerd talks by when
	// it starts a shim.
	Stdin  io.Reader
	Stdout io.Writer
	// Again forgets the flags that the library has defined: it is run twice in a
	// start that becomes the service.
	Again func()
	// Notices says where what containers are refused is written down, for the
	// options of a container; DefaultNotices without it.
	Notices func(Options) string
	// Enclose holds the network namespace at a path to a policy's egress. Without
	// it no network is held to anything.
	Enclose func(path string, n spec.Network) (Enclosure, error)
}

// Run is the shim's command line: start, delete, -info, or the service itself.
//
// The library's reaper waits for any child, and would take the exit statuses
// that libcontainer waits for: it is off, and each process is waited for by
// whoever started it. All of them are children of this process, also those that
// libcontainer starts (CLONE_PARENT), so that there is no need to be a subreaper.
func Run(ctx context.Context, c Config) error {
	// sandbox/runc says nothing unless its program wants it to.
	logrus.SetLevel(logrus.InfoLevel)
	ctx, end := context.WithCancel(ctx)
	defer end()
	serving := make(chan struct{})
	m := &manager{name: c.Name}
	registry.Register(&plugin.Registration{
		Type: plugins.TTRPCPlugin, ID: "task", Requires: []plugin.Type{plugins.EventPlugin, plugins.InternalPlugin},
		InitFn: func(in *plugin.InitContext) (any, error) { close(serving); return c.service(in, m) },
	})
	run := func() {
		if !slices.Contains(os.Args, "start") && !slices.Contains(os.Args, "delete") {
			go unserved(ctx, end, serving)
		}
		containerdshim.RunShim(ctx, m, func(o *containerdshim.Config) {
			o.NoReaper, o.NoSubreaper = true, true
		})
	}
	if done, err := m.older(ctx, os.Args[1:], c.Stdin, c.Stdout); err != nil {
		return err
	} else if !done {
		run()
	}
	if m.service == nil {
		return nil
	}
	if err := Begun.Answered(); err != nil {
		return err
	}
	os.Args = m.service
	c.Again()
	run()
	return nil
}

// service makes the service of what the library has begun.
func (c Config) service(in *plugin.InitContext, m *manager) (*Service, error) {
	publisher, err := in.GetByID(plugins.EventPlugin, "publisher")
	if err != nil {
		return nil, err
	}
	end, err := in.GetByID(plugins.InternalPlugin, "shutdown")
	if err != nil {
		return nil, err
	}
	namespace, err := namespaces.NamespaceRequired(in.Context)
	if err != nil {
		return nil, err
	}
	p, known := publisher.(containerdshim.Publisher)
	sd, alike := end.(shutdown.Service)
	if !known || !alike {
		return nil, fmt.Errorf("containerd's library gave a %T and a %T", publisher, end)
	}
	// The library has it collect garbage after every 1.6 MiB; that of a container's
	// start goes at once, when nothing more happens (Service.work).
	debug.SetGCPercent(400)
	runc.Prime()
	s := newService(newEvents(in.Context, p, sd), sd, namespace, c)
	s.address = m.address
	return s, nil
}
