// Package export is what all exports have in common: what is exported, what comes
// out, and what a target cannot express. Each target is a package of its own
// below it. An export starts from the profile and never from a plan, because a
// plan carries one host's facts.
package export

import "github.com/safe-run/safe-run/profiles"

// Input is what is exported.
type Input struct {
	Profile profiles.Profile
	// Name is the application's: a DNS label.
	Name  string
	Image Image
	// Command and Args replace the image's entrypoint and command; nil leaves them.
	Command, Args []string
	Env           []string // NAME=VALUE
	// Publish are ports of the container that are to be reachable.
	Publish []Port
	// Replicas is how many run; 0 is 1.
	Replicas int
}

// Image is what is known of the image.
type Image struct {
	// Reference is what was typed; Digest, sha256:..., pins it when it is known.
	Reference string
	Digest    string
	// User is the image's own, "" when it names none. Config says whether the
	// image's config was read at all.
	User       string
	Config     bool
	Entrypoint []string
	Cmd        []string
	WorkingDir string
	Volumes    []string
	Exposed    []Port
	// Health is docker's HEALTHCHECK, as a profile would say it.
	Health profiles.Health
}

// Port is one port of a container. HostPort 0: the target's choice.
type Port struct {
	HostIP        string
	HostPort      uint16
	ContainerPort uint16
	Protocol      string // tcp or udp
}

// File is one file of an export. Path is relative, with forward slashes.
type File struct {
	Path string
	Data []byte
	// Executable: mode 0755, else 0644.
	Executable bool
}

// Severity says how much is lost.
type Severity string

// The severities of losses. Weaker: something is enforced less than here;
// Different: it is enforced in another way; Missing: a feature is not there, and
// nothing is open for it.
const (
	Weaker    Severity = "weaker"
	Different Severity = "different"
	Missing   Severity = "missing"
)

// Loss is something that a target cannot express.
type Loss struct {
	// Setting is the profile's field, such as "mounts.tmpfs[/tmp].inodes".
	Setting string `json:"setting"`
	// Value is what the profile says, and Origin where it says so.
	Value  string `json:"value,omitempty"`
	Origin string `json:"origin,omitempty"`
	// Lost is what becomes of it, in one sentence, Do what the user can do.
	Lost     string   `json:"lost"`
	Do       string   `json:"do"`
	Severity Severity `json:"severity"`
}

// Result is what an export gives.
type Result struct {
	Files  []File
	Losses []Loss
}
