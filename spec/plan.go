// Package spec compiles a profile, an image's config and the facts of a host
// into a plan: an OCI runtime spec, what OCI cannot express, and the list of
// decisions that led to it. Compile is deterministic and does no I/O.
package spec

import (
	"net/netip"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec/event"
)

// Plan is everything a sandbox needs to run. Same inputs give the same bytes.
type Plan struct {
	Profile string   `json:"profile"`
	Image   ImageRef `json:"image"`
	// Trust is what the image had to satisfy; nil where nothing was asked.
	Trust *Trust `json:"trust,omitempty"`
	// OCI is the runtime spec. Its root.path is the image's own tree when that
	// is one directory; the sandbox replaces it with what Rootfs assembles.
	OCI    *specs.Spec `json:"oci"`
	Rootfs Rootfs      `json:"rootfs"`
	// Namespaced are sysctls of the container's own namespaces, which the sandbox
	// writes from inside them before the program begins; see secondLayers.
	Namespaced map[string]string `json:"namespaced,omitempty"`
	// Landlock is what the first process and every further one put themselves
	// under; nil: nothing.
	Landlock *Landlock `json:"landlock,omitempty"`
	// Guard is what the host's guard refuses all processes; nil: nothing.
	Guard *Guard `json:"guard,omitempty"`
	// Volumes are held while the container runs. Their mounts are in OCI.
	Volumes   []VolumeUse `json:"volumes,omitempty"`
	Network   Network     `json:"network"`
	Lifecycle Lifecycle   `json:"lifecycle"`
	// RootAllowed: a process of the container may be its root (process.root).
	RootAllowed bool   `json:"rootAllowed,omitempty"`
	Limits      Limits `json:"limits"`
	// Reactions are what follows a denial of each severity, "kill" or "freeze";
	// without one it is written down and nothing else.
	Reactions map[event.Severity]string `json:"reactions,omitempty"`
	// Accepted names the weakenings that this plan makes use of.
	Accepted  []string   `json:"accepted,omitempty"`
	Decisions []Decision `json:"decisions"`
}

// ImageRef says what is run.
type ImageRef struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest,omitempty"`
}

// Rootfs says how the root filesystem is put together: the image's tree below,
// a small layer of files and mount points above it, mounted read-only or with
// a tmpfs on top.
//
// The image's tree is Source or Layers, never both. Neither is set for a
// program that is a whole image by itself.
type Rootfs struct {
	// Source is the absolute path of the image's tree in one directory.
	Source string `json:"source,omitempty"`
	// Layers are the absolute paths of the directories that make up the
	// image's tree, lowest first; at most MaxLayers.
	Layers   []string `json:"layers,omitempty"`
	ReadOnly bool     `json:"readOnly"`
	// WritableBytes bounds what is written when ReadOnly is false.
	WritableBytes int64 `json:"writableBytes,omitempty"`
	// IDMap mounts the tree with the ids of the container's user namespace.
	IDMap bool `json:"idmap"`
	// Files are written into the layer above the image.
	Files []File `json:"files,omitempty"`
	// Dirs are the mount points that must exist, absolute.
	Dirs []string `json:"dirs,omitempty"`
	// FileMounts are the mount points that must exist as plain files.
	FileMounts []string `json:"fileMounts,omitempty"`
}

// VolumeUse is one volume that the container has.
type VolumeUse struct {
	Name        string `json:"name"`
	Source      string `json:"source"`
	Destination string `json:"destination"`
	ReadOnly    bool   `json:"readOnly,omitempty"`
	// NoCopy leaves the image's content at Destination out of an empty volume.
	NoCopy bool `json:"noCopy,omitempty"`
	// Anonymous: the name was made up. AutoRemove: it goes with the container.
	Anonymous  bool `json:"anonymous,omitempty"`
	AutoRemove bool `json:"autoRemove,omitempty"`
	// UID and GID, as the container numbers them, own a new volume.
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	// Mapped: the container's ids are a range of its own.
	Mapped bool `json:"mapped"`
	// Labels and Size, in bytes, are of a volume that is made.
	Labels map[string]string `json:"labels,omitempty"`
	Size   int64             `json:"size,omitempty"`
}

// MaxLayers bounds an image's layers: overlayfs takes 500 (OVL_MAX_STACK in
// fs/overlayfs/params.h), and one is the layer of files and mount points.
const MaxLayers = 499

// File is a small file made for one sandbox, such as /etc/hosts.
type File struct {
	Path    string `json:"path"`
	Content string `json:"content"`
	Mode    uint32 `json:"mode"`
}

// NetworkMode is how a sandbox is connected.
type NetworkMode string

// The network modes.
const (
	NetworkNone   NetworkMode = "none"
	NetworkBridge NetworkMode = "bridge"
)

// Network is the part of a plan that sandbox/network carries out.
type Network struct {
	Mode    NetworkMode `json:"mode"`
	Publish []Port      `json:"publish,omitempty"`
	Egress  []Egress    `json:"egress,omitempty"`
	// DNS are the resolvers that the container is told of. When there is any
	// egress they are reachable on port 53.
	DNS []netip.Addr `json:"dns,omitempty"`
	// UnprivilegedPortStart is written to the namespace's sysctl.
	UnprivilegedPortStart int `json:"unprivilegedPortStart"`
	// Unfiltered: the host cannot filter packets and the profile accepts it
	// (network-isolation). Nothing is published then.
	Unfiltered bool `json:"unfiltered,omitempty"`
}

// Port publishes a container's port on a host address.
type Port struct {
	HostIP        netip.Addr `json:"hostIP"`        // unspecified: every IPv4 address of the host
	HostPort      uint16     `json:"hostPort"`      // 0: one is chosen
	ContainerPort uint16     `json:"containerPort"` //
	Protocol      string     `json:"protocol"`      // tcp or udp
}

// Egress allows new connections to Prefix on the ports given, or on every port
// and protocol when there are none.
type Egress struct {
	Prefix netip.Prefix `json:"prefix"`
	// Except are parts of Prefix that stay closed.
	Except []netip.Prefix `json:"except,omitempty"`
	Ports  []PortRange    `json:"ports,omitempty"`
}

// PortRange is First to Last of one protocol, both included.
type PortRange struct {
	Protocol string `json:"protocol"` // tcp or udp
	First    uint16 `json:"first"`
	Last     uint16 `json:"last"`
}

// Lifecycle is how the first process is run and stopped.
type Lifecycle struct {
	// Init puts a first process in front that forwards signals and reaps.
	Init        bool          `json:"init"`
	StopSignal  string        `json:"stopSignal"`
	StopTimeout time.Duration `json:"stopTimeout"`
	// Prepared: the first process waits until it is told its program.
	Prepared bool `json:"prepared,omitempty"`
	// Health is how it is checked while it runs; nil: not at all.
	Health *Health `json:"health,omitempty"`
	// Sockets is how many descriptors the program has beside 0, 1 and 2.
	Sockets int `json:"sockets,omitempty"`
	// Notify: there is a socket at NotifyPath, made by the launcher.
	Notify bool `json:"notify,omitempty"`
}

// Limits repeats the limits that exit causes are explained with.
type Limits struct {
	MemoryBytes int64 `json:"memoryBytes"`
	Pids        int64 `json:"pids"`
	// OOMGroup kills the whole container on the first out-of-memory kill.
	OOMGroup bool `json:"oomGroup"`
}

// Decision is one line of a plan's reasoning.
type Decision struct {
	Setting string `json:"setting"`           // "memory", "capabilities", "rootfs"
	Value   string `json:"value"`             // "512 MiB"
	Source  string `json:"source"`            // "default:31", "flag --memory", "image", "host"
	Why     string `json:"why,omitempty"`     // the reason
	Weakens string `json:"weakens,omitempty"` // what this gives up, empty when nothing
	Breaks  string `json:"breaks,omitempty"`  // what of the program cannot work because of it, and what to do
}
