// Package install says which files make safe-run a runtime of a container
// engine: what is in them, and what to do next. It writes none.
package install

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// Runtime is what engines call it. A RuntimeClass's handler is a DNS label, and
// so this is one.
const Runtime = "saferun"

// The programs that engines start.
const (
	shim = "containerd-shim-saferun-v2"
	oci  = "safe-run-oci"
)

// Input is what is asked for, and what is there.
type Input struct {
	Engine string
	// Bin is the directory of safe-run's programs, as the engine will see it.
	Bin string
	// Profiles have a runtime each, beside the one of the default policy; only
	// containerd's shim can tell them apart.
	Profiles []string
	// Usual are those that have one where Profiles names none.
	Usual []string
	// ConfigVersion is that of containerd's configuration; 0: as its file says.
	ConfigVersion int
	// Existing is the engine's own file that must be changed (Existing()); nil
	// when there is none.
	Existing []byte
}

// File is one that is written.
type File struct {
	Path string
	Data []byte
	// Merged: it is the engine's own, and holds what was in it before.
	Merged bool
	// Policy: the administrator's from then on; one that is there stays.
	Policy bool
}

// Plan is what an installation consists of.
type Plan struct {
	Files []File
	// Program is what the engine starts.
	Program string
	// Next is what a person does now, a line each.
	Next []string
}

// engine is one that can be told of a further runtime.
type engine struct {
	name     string
	existing string
	make     func(Input) (Plan, error)
}

var engines = []engine{
	{"containerd", containerdMain, containerd},
	{"docker", daemonJSON, docker},
	{"podman", "", podman},
	{"crio", "", crio},
}

// Engines are those that there are.
func Engines() []string {
	var names []string
	for _, e := range engines {
		names = append(names, e.name)
	}
	return names
}

// Existing is the file of an engine whose content Make needs; empty for none.
func Existing(name string) string {
	for _, e := range engines {
		if e.name == name {
			return e.existing
		}
	}
	return ""
}

var (
	// Paths are written into three formats; these characters mean themselves in
	// all of them.
	plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._+@,~-]+)+$`)
	label     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$`)
)

// Make says what is to be written.
func Make(in Input) (Plan, error) {
	at := slices.IndexFunc(engines, func(e engine) bool { return e.name == in.Engine })
	if at < 0 {
		return Plan{}, problem.New("choose one of: "+strings.Join(Engines(), ", "), "nothing is installed for %q", in.Engine)
	}
	if path.Clean(in.Bin) != in.Bin || !plainPath.MatchString(in.Bin) {
		return Plan{}, problem.New("name an absolute path of letters, digits and ._+@,~- with --bin",
			"%q cannot be written into the configuration of engines", in.Bin)
	}
	if in.Engine != "containerd" && (len(in.Profiles) > 0 || in.ConfigVersion != 0) {
		return Plan{}, problem.New("set the profile in /etc/safe-run/oci.yaml, or by the annotation safe-run.dev/profile",
			"--profile and --config-version are for containerd")
	}
	for _, name := range in.Profiles {
		if !label.MatchString(name) {
			return Plan{}, problem.New("keep it in /etc/safe-run/profiles under a name of small letters, digits and -",
				"%q cannot be a part of a runtime's name", name)
		}
	}
	return engines[at].make(in)
}

// policyOf is the default policy of a program.
func policyOf(program string) File {
	if program == shim {
		return File{Path: "/etc/safe-run/shim.yaml", Data: []byte(shimPolicy), Policy: true}
	}
	return File{Path: "/etc/safe-run/oci.yaml", Data: []byte(ociPolicy), Policy: true}
}

const shimPolicy = `# /etc/safe-run/shim.yaml: for runtimes whose options say nothing.
apiVersion: safe-run.dev/v1
kind: Shim
profile: default
onConflict: refuse
allow: [web, worker, batch]   # what the annotation safe-run.dev/profile may name
`

// Engines ask for a dozen capabilities and for root on everybody's behalf, and
// runc's command line does not tell that from what a user asked for: refusing
// would refuse nearly all.
const ociPolicy = `# /etc/safe-run/oci.yaml: for every container that an engine starts by safe-run-oci.
apiVersion: safe-run.dev/v1
kind: OCI
profile: default
onConflict: strip   # leave out what the profile forbids, and log it; or refuse
`
