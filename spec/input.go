package spec

import (
	"github.com/safe-run/safe-run/profiles"
)

// Input is everything that Compile looks at.
type Input struct {
	Profile  profiles.Profile // resolved: extends, floor and flags are in it
	Image    Image
	Host     Host
	Request  Request
	Instance Instance
}

// Image is an image as a value: its config and the files that name its users.
type Image struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest,omitempty"`
	// Rootfs is the absolute path of its tree. Empty for a program image, and
	// for one in layers.
	Rootfs string `json:"rootfs,omitempty"`
	// Layers are the absolute paths of its layers' directories, lowest first,
	// with whiteouts as overlayfs has them.
	Layers []string `json:"layers,omitempty"`
	// Program is the absolute host path of a static executable that is the
	// whole image; it is mounted at ProgramPath.
	Program     string `json:"program,omitempty"`
	ProgramPath string `json:"programPath,omitempty"`
	// ProgramUID and ProgramGID own Program on the host.
	ProgramUID uint32      `json:"programUID,omitempty"`
	ProgramGID uint32      `json:"programGID,omitempty"`
	Config     ImageConfig `json:"config"`
	// Passwd and Group are the image's own /etc/passwd and /etc/group, read
	// safely inside its tree; at most 1 MiB each.
	Passwd []byte `json:"-"`
	Group  []byte `json:"-"`
}

// ImageConfig is the part of the OCI image config that matters at run time.
type ImageConfig struct {
	User         string            `json:"user,omitempty"`
	Env          []string          `json:"env,omitempty"`
	Entrypoint   []string          `json:"entrypoint,omitempty"`
	Cmd          []string          `json:"cmd,omitempty"`
	WorkingDir   string            `json:"workingDir,omitempty"`
	ExposedPorts []string          `json:"exposedPorts,omitempty"` // "8080/tcp", sorted
	Volumes      []string          `json:"volumes,omitempty"`      // sorted
	StopSignal   string            `json:"stopSignal,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	// Health is docker's HEALTHCHECK; nil where there is none. Shell is what
	// runs a text, in place of /bin/sh -c.
	Health *ImageHealth `json:"health,omitempty"`
	Shell  []string     `json:"shell,omitempty"`
}

// Request is what one run asks for beside policy.
type Request struct {
	Args         []string // replaces the image's Cmd when not empty
	Entrypoint   *string  // replaces the image's Entrypoint; "" clears it
	Env          []string // NAME=value, in order; later ones win
	WorkingDir   string
	Hostname     string
	User         string // docker's --user: uid[:gid] or name[:group]
	Terminal     bool
	Publish      []Port
	Binds        []Bind
	Volumes      []Volume
	Labels       map[string]string
	Devices      []string
	CgroupParent string
	// Sockets are what the service manager gave to the launcher.
	Sockets []Socket
	// Notify gives the program a way to tell the service manager how it is.
	Notify *Notify
	// Prepared: the first process waits for its program, which is named later.
	Prepared bool
}

// Bind is a bind mount from the host. The caller has looked at Source, because
// Compile does no I/O.
type Bind struct {
	Source   string // absolute, symbolic links resolved
	Target   string // absolute path inside
	ReadOnly bool
	Exec     bool
	// What Source is on the host.
	IsDir    bool
	OwnerUID uint32
	OwnerGID uint32
	// Flag is the text the user typed, for decisions and errors.
	Flag string
}

// Volume is a mount of a volume of safe-run's own. It is made when it is
// missing, but not by Compile.
type Volume struct {
	Name     string
	Source   string // absolute path of its files
	Target   string // absolute path inside
	ReadOnly bool
	Exec     bool
	// NoCopy leaves the image's content at Target out of an empty volume.
	NoCopy bool
	// Anonymous: the name was made up. AutoRemove: it goes with the container.
	Anonymous, AutoRemove bool
	// Labels and Size, in bytes, are of a volume that is made.
	Labels map[string]string
	Size   int64
	// Flag is the text the user typed, for decisions and errors.
	Flag string
}

// Instance is what differs between two runs of the same thing.
type Instance struct {
	ID   string  // 64 hexadecimal digits
	Name string  // what the user calls it
	IDs  IDRange // this container's own range
}
