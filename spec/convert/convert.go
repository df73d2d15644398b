// Package convert is the way back: what others say about a container becomes a
// profile, with a report of what was tightened, what was kept, and what has no
// counterpart. Each format is a package of its own below it; they fill an Ask,
// and what comes of it is decided here, once.
package convert

import (
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// Kind says what became of something.
type Kind string

// The kinds of findings.
const (
	Tightened Kind = "tightened" // it was unsafe, and is closed
	Kept      Kind = "kept"      // it opens something, and stays
	Missing   Kind = "missing"   // it has no counterpart
)

// Finding is one line of the report.
type Finding struct {
	Kind Kind `json:"kind"`
	// Setting is what was written, as in "--privileged" or "read_only", or what was
	// not written, and Value what it said.
	Setting string `json:"setting"`
	Value   string `json:"value,omitempty"`
	// Place is file:line:column, or which argument.
	Place string `json:"place,omitempty"`
	// What becomes of it and why it matters, and Do what the user can do.
	What string `json:"what"`
	Do   string `json:"do,omitempty"`
}

// Result is what a container is converted to.
type Result struct {
	// Name is the service's or the container's.
	Name string
	// Profile is a document that extends default.
	Profile profiles.Profile
	// Run are the words after "safe-run --profile FILE".
	Run      []string
	Findings []Finding
}

// Source is where something was said.
type Source struct{ Setting, Place string }

// Ask is what a container asks for, in whatever format it was written. Empty is
// what nobody said.
type Ask struct {
	// Format is what it was written for: docker, compose, kubernetes, oci.
	Format string
	Name   string
	Image  string
	// Entrypoint and Args replace the image's; nil leaves them.
	Entrypoint, Args []string
	User             string
	ReadOnly         bool
	Privileged       bool
	// DropAll: no capability is left but those of Capabilities.
	DropAll      bool
	Capabilities []string
	NoNewPrivs   bool
	// Seccomp is a filter; Unconfined means none at all.
	Seccomp    *Filter
	Unconfined bool
	Tmpfs      []profiles.Tmpfs
	// Shm is the size of /dev/shm, which some give without being asked.
	Shm    *profiles.Bytes
	Mounts []Mount
	Memory *profiles.Bytes
	// Swap is what can be used beside Memory.
	Swap    *profiles.Bytes
	CPUs    *profiles.MilliCPU
	Pids    *int64
	Rlimits []profiles.Rlimit
	// Network is none, bridge (also by another name) or host.
	Network string
	Publish []string // as -p takes them
	// PortStart is net.ipv4.ip_unprivileged_port_start.
	PortStart   *int64
	Init        *bool
	StopSignal  *profiles.Signal
	StopTimeout *profiles.Duration
	OOMScoreAdj *int64
	Health      profiles.Health
	// Masked and ReadOnlyPaths are restrictions that are said in so many words.
	Masked, ReadOnlyPaths []string
	// Flags are those of safe-run run that say the same, such as --restart.
	Flags []string
	// Told are findings of the format's own.
	Told []Finding
	// At says where something was said, by the key that the report uses.
	At map[string]Source
}

// Mount is a directory of the host, or a volume.
type Mount struct {
	Source, Target string
	ReadOnly       bool
	Volume         bool // Source is a name, or empty
	Source2        Source
}

// Filter is a system call filter, reduced to what a profile can say.
type Filter struct {
	Allow    []string // calls that are allowed, whole or with some arguments
	Families []string
	// AllFamilies: socket(2) is not filtered by its family.
	AllFamilies bool
}

// Said notes where something was said.
func (a *Ask) Said(key, setting, place string) {
	if a.At == nil {
		a.At = map[string]Source{}
	}
	a.At[key] = Source{setting, place}
}

// Tell adds a finding of the format's own.
func (a *Ask) Tell(f Finding) { a.Told = append(a.Told, f) }

// draft is an Ask on its way to a profile.
type draft struct {
	ask Ask
	out Result
}

// Convert decides what becomes of what is asked.
func Convert(ask Ask) (Result, error) {
	d := &draft{ask: ask}
	d.out.Name = ask.Name
	d.out.Findings = ask.Told
	d.out.Profile = profiles.Profile{
		APIVersion: profiles.APIVersion, Kind: profiles.Kind, Extends: []string{"default"},
		Metadata: profiles.Metadata{Name: profileName(ask.Name), Description: "converted from " + ask.Format},
	}
	for _, step := range []func(){
		d.privileged, d.user, d.capabilities, d.rootfs, d.mounts, d.paths, d.resources, d.rlimits, d.seccomp, d.network, d.life,
	} {
		step()
	}
	d.command()
	if err := profiles.Validate(d.out.Profile); err != nil {
		return Result{}, problem.New(problem.HintOf(err), "%.60s: %w", ask.Name, err)
	}
	// Decoding is stricter than a value can be: it refuses what cannot be seen.
	text, err := profiles.Encode(d.out.Profile)
	if err == nil {
		_, err = profiles.Decode(profileName(ask.Name)+".yaml", text)
	}
	if err != nil {
		return Result{}, problem.New(problem.HintOf(err), "%.60s: what is asked for cannot be written into a profile: %w", ask.Name, err)
	}
	return d.out, nil
}

// profileName makes a name that profiles may have.
func profileName(name string) string {
	out := make([]rune, 0, len(name))
	for _, r := range name {
		switch {
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
		default:
			r = '-'
		}
		if len(out) < 40 && (r != '-' || len(out) > 0) {
			out = append(out, r)
		}
	}
	for len(out) > 0 && out[len(out)-1] == '-' {
		out = out[:len(out)-1]
	}
	if len(out) == 0 {
		return "converted"
	}
	return string(out)
}

// tell adds a finding about key, with where it was said.
func (d *draft) tell(f Finding, key string) {
	at, said := d.ask.At[key]
	if f.Setting == "" {
		f.Setting = key
	}
	if said {
		f.Setting, f.Place = at.Setting, at.Place
	}
	d.out.Findings = append(d.out.Findings, f)
}

func (d *draft) tightened(key, value, what, do string) {
	d.tell(Finding{Kind: Tightened, Value: value, What: what, Do: do}, key)
}

func (d *draft) kept(key, value, what, do string) {
	d.tell(Finding{Kind: Kept, Value: value, What: what, Do: do}, key)
}

func (d *draft) missing(key, value, what, do string) {
	d.tell(Finding{Kind: Missing, Value: value, What: what, Do: do}, key)
}

// why is the reason of what is kept.
func (d *draft) why(key string) string {
	if at, ok := d.ask.At[key]; ok {
		return "asked for with " + at.Setting
	}
	return "asked for where it was converted from"
}
