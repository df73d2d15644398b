package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec"
)

// inspection is a container as docker's API describes one, as far as it has
// such things, and what docker has no word for.
type inspection struct {
	ID              string `json:"Id"`
	Created         time.Time
	Path            string
	Args            []string
	State           inspectedState
	Image           string // the digest
	Name            string // with docker's slash in front
	RestartCount    int
	Platform        string
	HostConfig      inspectedHost
	Mounts          []inspectedMount
	Config          inspectedConfig
	NetworkSettings inspectedNetwork
	SafeRun         inspectedPolicy
}

type inspectedState struct {
	Status                                       string
	Running, Paused, Restarting, OOMKilled, Dead bool
	Pid, ExitCode                                int
	Error                                        string
	StartedAt, FinishedAt                        time.Time
	Health                                       *inspectedHealth `json:",omitempty"`
}

type inspectedHost struct {
	NetworkMode    string
	PortBindings   map[string][]inspectedPort
	RestartPolicy  inspectedRestart
	AutoRemove     bool
	CapAdd         []string
	ReadonlyRootfs bool
	Privileged     bool
	Init           bool
	Memory         int64
	MemorySwap     int64
	NanoCpus       int64
	PidsLimit      int64
	OomScoreAdj    int
	CgroupParent   string
	MaskedPaths    []string
	ReadonlyPaths  []string
	Runtime        string
}

type inspectedRestart struct {
	Name              string
	MaximumRetryCount int
}

type inspectedMount struct {
	Type                      string
	Name                      string `json:",omitempty"`
	Source, Destination, Mode string
	Driver                    string `json:",omitempty"`
	RW                        bool
}

type inspectedPort struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

type inspectedConfig struct {
	Hostname, User, WorkingDir, Image string
	Tty, OpenStdin                    bool
	Env, Cmd                          []string
	Labels                            map[string]string
	StopSignal                        string
	StopTimeout                       int
	Healthcheck                       *inspectedCheck `json:",omitempty"`
}

type inspectedNetwork struct {
	Ports map[string][]inspectedPort
}

// inspectedPolicy is what the container is confined by, and why.
type inspectedPolicy struct {
	Profile    string
	Foreground bool            `json:",omitempty"`
	Cause      string          `json:",omitempty"`
	Accepted   []string        `json:",omitempty"`
	Limits     *spec.Limits    `json:",omitempty"`
	Network    *spec.Network   `json:",omitempty"`
	Rootfs     *spec.Rootfs    `json:",omitempty"`
	Trust      *spec.Trust     `json:",omitempty"`
	Decisions  []spec.Decision `json:",omitempty"`
}

// inspectLive describes a running container by its plan.
func inspectLive(live *sandbox.Live) (inspection, error) {
	plan := live.Plan
	paused, err := live.Paused()
	if err != nil {
		return inspection{}, err
	}
	i := inspection{
		ID: live.ID(), Name: "/" + live.Name(), Created: live.Created(), Image: plan.Image.Digest, Platform: "linux",
		State: inspectedState{Status: "running", Running: true, Paused: paused, Pid: live.Pid(), StartedAt: live.Created()},
	}
	if paused {
		i.State.Status = "paused"
	}
	i.setCommand(plan.OCI.Process.Args, plan.Lifecycle.Init)
	i.describe(plan)
	return i, nil
}

// setCommand takes the first process that may stand before the program off.
func (i *inspection) setCommand(args []string, init bool) {
	if init && len(args) > 1 && args[0] == spec.InitPath {
		args = args[1:]
	}
	i.Args, i.Config.Cmd = []string{}, args
	if len(args) > 0 {
		i.Path, i.Args = args[0], args[1:]
	}
}

// describe adds what the plan says.
func (i *inspection) describe(plan *spec.Plan) {
	oci, p := plan.OCI, plan.OCI.Process
	i.Config.Hostname, i.Config.WorkingDir, i.Config.Image = oci.Hostname, p.Cwd, plan.Image.Reference
	i.Config.User = fmt.Sprintf("%d:%d", p.User.UID, p.User.GID)
	i.Config.Tty, i.Config.Env, i.Config.Labels = p.Terminal, p.Env, oci.Annotations
	i.Config.StopSignal, i.Config.StopTimeout = plan.Lifecycle.StopSignal, int(plan.Lifecycle.StopTimeout/time.Second)
	i.Config.Healthcheck = checkOf(plan.Lifecycle.Health)
	i.Mounts = mountsOf(oci.Mounts, plan.Volumes)
	i.NetworkSettings.Ports = bindings(plan.Network.Publish)
	i.HostConfig = hostConfig(plan)
	i.SafeRun = inspectedPolicy{
		Profile: plan.Profile, Foreground: true, Accepted: plan.Accepted, Limits: &plan.Limits, Network: &plan.Network,
		Rootfs: &plan.Rootfs, Trust: plan.Trust, Decisions: plan.Decisions,
	}
}

func hostConfig(plan *spec.Plan) inspectedHost {
	r, p := plan.OCI.Linux.Resources, plan.OCI.Process
	h := inspectedHost{
		NetworkMode: string(plan.Network.Mode), PortBindings: bindings(plan.Network.Publish), RestartPolicy: inspectedRestart{Name: "no"},
		ReadonlyRootfs: plan.Rootfs.ReadOnly, Init: plan.Lifecycle.Init, Runtime: "safe-run",
		MaskedPaths: plan.OCI.Linux.MaskedPaths, ReadonlyPaths: plan.OCI.Linux.ReadonlyPaths,
	}
	if p.Capabilities != nil {
		h.CapAdd = orEmpty(p.Capabilities.Bounding)
	}
	if p.OOMScoreAdj != nil {
		h.OomScoreAdj = *p.OOMScoreAdj
	}
	if r.Memory != nil && r.Memory.Limit != nil {
		h.Memory = *r.Memory.Limit
	}
	if r.Memory != nil && r.Memory.Swap != nil {
		h.MemorySwap = *r.Memory.Swap
	}
	if r.CPU != nil && r.CPU.Quota != nil && r.CPU.Period != nil && *r.CPU.Period > 0 {
		h.NanoCpus = *r.CPU.Quota * 1e9 / int64(*r.CPU.Period)
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		h.PidsLimit = *r.Pids.Limit
	}
	return h
}

// mountsOf leaves the kernel's own filesystems out, as docker does.
func mountsOf(mounts []specs.Mount, volumes []spec.VolumeUse) []inspectedMount {
	out := []inspectedMount{}
	for _, m := range mounts {
		if m.Type != "bind" && m.Type != "tmpfs" || m.Destination == "/dev" {
			continue
		}
		mount := inspectedMount{
			Type: m.Type, Source: m.Source, Destination: m.Destination,
			Mode: strings.Join(m.Options, ","), RW: !slices.Contains(m.Options, "ro"),
		}
		if i := slices.IndexFunc(volumes, func(v spec.VolumeUse) bool { return v.Destination == m.Destination }); i >= 0 {
			mount.Type, mount.Name, mount.Driver = "volume", volumes[i].Name, "local"
		}
		out = append(out, mount)
	}
	return out
}

// keptMounts are the mounts that the ledger knows of.
func keptMounts(c ledger.Container) []inspectedMount {
	out := []inspectedMount{}
	for _, v := range c.Volumes {
		out = append(out, inspectedMount{
			Type: "volume", Name: v.Name, Driver: "local", Source: v.Source, Destination: v.Destination, RW: !v.ReadOnly,
		})
	}
	return out
}

func bindings(ports []spec.Port) map[string][]inspectedPort {
	out := map[string][]inspectedPort{}
	for _, p := range ports {
		key := fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol)
		host, port, _ := strings.Cut(hostAddress(p), "]:")
		if port == "" {
			at := strings.LastIndexByte(host, ':')
			host, port = host[:at], host[at+1:]
		}
		out[key] = append(out[key], inspectedPort{strings.TrimPrefix(host, "["), port})
	}
	return out
}

// inspectKept describes a container that does not run, by the plan that it ran
// with. Where none can be read, less is known.
func inspectKept(book *ledger.Ledger, c ledger.Container, s ledger.State) inspection {
	i := inspection{Platform: "linux", ID: c.ID, Image: c.ImageDigest, Mounts: keptMounts(c)}
	i.setCommand(c.Command, false)
	i.Config.Image, i.Config.StopSignal, i.Config.StopTimeout = c.Image, c.StopSignal, int(c.StopTimeout/time.Second)
	i.HostConfig.Runtime, i.SafeRun.Profile = "safe-run", c.Profile
	if plan, err := sandbox.KeptPlan(book, c); err == nil {
		i.setCommand(plan.OCI.Process.Args, plan.Lifecycle.Init)
		i.describe(plan)
	}
	i.NetworkSettings.Ports = bindings(nil) // nothing listens
	i.addKept(c, s)
	return i
}

// addKept adds what the ledger knows.
func (i *inspection) addKept(c ledger.Container, s ledger.State) {
	i.Created = c.Created // not only of this run
	i.Name, i.Config.Labels, i.Config.Tty, i.Config.OpenStdin = "/"+c.Name, c.Labels, c.Terminal, c.OpenStdin
	i.RestartCount, i.HostConfig.AutoRemove = s.Restarts, c.AutoRemove
	i.HostConfig.RestartPolicy = inspectedRestart{Name: c.Restart.Policy, MaximumRetryCount: c.Restart.Max}
	if c.Restart.Policy == "" {
		i.HostConfig.RestartPolicy.Name = "no"
	}
	i.SafeRun.Foreground, i.SafeRun.Cause = false, s.Cause
	to := &i.State
	to.Status, to.ExitCode, to.OOMKilled, to.Error = string(s.Status), s.ExitCode, s.OOMKilled, ""
	to.Running, to.Paused = s.Status == ledger.Running || s.Status == ledger.Paused, s.Status == ledger.Paused
	to.Restarting, to.Dead = s.Status == ledger.Restarting, s.Status == ledger.Dead
	to.StartedAt, to.FinishedAt = s.Started, s.Finished
	if s.Health != "" {
		to.Health = &inspectedHealth{Status: s.Health, Log: []inspectedResult{}}
	}
}
