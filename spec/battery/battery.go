// Package battery is the attack battery as data: what is tried inside a sandbox,
// what makes it harmless when it succeeds, which layers of a plan are predicted
// to stop it, and what came of it. Carrying it out is sandbox/verify's.
package battery

import "time"

// Layer is one thing that can stop an attack, independent of the others.
type Layer string

// The layers. The names are those of reports.
const (
	Seccomp      Layer = "seccomp"
	Capabilities Layer = "capabilities"
	Namespaces   Layer = "namespaces"
	UserNS       Layer = "user-namespace"
	Masks        Layer = "masked-paths" // hidden or read-only paths of /proc and /sys
	Mounts       Layer = "mount-options"
	ReadOnly     Layer = "read-only-root"
	Cgroup       Layer = "cgroup"
	Rlimits      Layer = "rlimits"
	NoNewPrivs   Layer = "no-new-privileges"
	NonRoot      Layer = "non-root"
	Sysctls      Layer = "sysctls"      // of the container's own namespaces
	HostSysctls  Layer = "host-sysctls" // of the host, which are looked at and never set
	LSM          Layer = "lsm"          // AppArmor, SELinux
	Landlock     Layer = "landlock"
	Guard        Layer = "guard"         // BPF programs that the host's administrator has switched on
	Devices      Layer = "devices"       // the control group's allow-list
	DeviceNodes  Layer = "device-nodes"  // what there is in /dev
	NoHostFiles  Layer = "no-host-files" // what is mounted of the host: nothing that can be written
	BoundingSet  Layer = "bounding-set"  // of capabilities, apart from those that are had
	Network      Layer = "network"
	Launcher     Layer = "launcher" // what safe-run itself does: closed descriptors, bounded logs
	Absent       Layer = "absent"   // the kernel does not have it
)

// Ours says whether a plan makes a layer: not what the host's administrator has
// set, nor what this kernel happens to lack, both of which another host may not
// have.
func (l Layer) Ours() bool { return l != HostSysctls && l != Absent }

// Layers are all of them, in the order of a report.
func Layers() []Layer {
	return []Layer{
		Seccomp, Capabilities, BoundingSet, Namespaces, UserNS, Masks, Mounts, NoHostFiles, ReadOnly, Cgroup, Rlimits, NoNewPrivs,
		NonRoot, Sysctls, LSM, Landlock, Guard, Devices, DeviceNodes, Network, Launcher, HostSysctls, Absent,
	}
}

// Probe is one attack of the battery.
type Probe struct {
	ID    string `json:"id"` // M01
	Title string `json:"title"`
	// Technique is what is called; Harmless what keeps it from doing damage when
	// nothing stops it.
	Technique string `json:"technique"`
	Harmless  string `json:"harmless"`
	// Layers may stop it, those that are tried first in front, with the error
	// that each gives; a plan decides which of them there are.
	Layers []Stop `json:"layers"`
	// Reference is a CVE, an advisory or a tool; empty where there is none.
	Reference string `json:"reference,omitempty"`
	// Controls are numbers of package controls.
	Controls []int `json:"controls"`
	// Critical: one layer is not enough.
	Critical bool `json:"critical,omitempty"`
	// Limits: it uses resources up to a bound, or is carried out by the launcher's
	// side; it runs last and alone.
	Limits bool `json:"limits,omitempty"`
}

// Stop is a layer and what its refusal looks like.
type Stop struct {
	Layer Layer `json:"layer"`
	// Errnos are names such as EPERM; a signal is SIGSYS or SIGKILL.
	Errnos []string `json:"errnos"`
}

// Verdict is what came of a probe.
type Verdict string

// The verdicts. A timeout is an Error, never a success.
const (
	Blocked Verdict = "blocked"
	Allowed Verdict = "allowed"
	Missing Verdict = "absent" // the kernel lacks it
	NotRun  Verdict = "not-run"
	Error   Verdict = "error"
)

// Result is one probe's outcome.
type Result struct {
	ID      string  `json:"id"`
	Verdict Verdict `json:"verdict"`
	// Errno is what the deciding call failed with, Signal what ended the child.
	Errno  string `json:"errno,omitempty"`
	Signal string `json:"signal,omitempty"`
	// Detail is the evidence, for people; the container may have chosen parts of
	// it.
	Detail string `json:"detail,omitempty"`
	// Predicted are the layers of the plan that should stop it, Observed the one
	// that did; Inferred where it was not seen but concluded.
	Predicted []Layer `json:"predicted,omitempty"`
	Observed  Layer   `json:"observed,omitempty"`
	Inferred  bool    `json:"inferred,omitempty"`
	// Independent are the layers each of which stopped it alone, where layers
	// were taken away: the first, then the first two, and so on. Whole says that
	// the attack got through in the end, so that there are no more.
	Whole       bool    `json:"whole,omitempty"`
	Independent []Layer `json:"independent,omitempty"`
	// Concluded are those between them that were only concluded from an error that
	// another layer gives as well: they are not counted. Dead is a layer that was
	// seen not to hold where all the others were gone.
	Concluded []Layer `json:"concluded,omitempty"`
	Dead      Layer   `json:"dead,omitempty"`
	// Effect: the effect was looked for, and not only the error.
	Effect bool `json:"effectVerified"`
	// Exception is why the profile allows it.
	Exception string `json:"exception,omitempty"`
	// Wrong is why the result is a failure: allowed without a reason, or another
	// layer than predicted. Empty when it is as it should be.
	Wrong string `json:"wrong,omitempty"`
	// Took is how long the child ran.
	Took time.Duration `json:"took,omitempty"`
}

// Configuration is the fact that says by whose configuration a runtime ran, where that
// is not the host's.
const Configuration = "configuration"

// Report is one run of the battery.
type Report struct {
	// Profile and Image are what ran; Runtime is "safe-run" or another tool.
	Profile string `json:"profile,omitempty"`
	Image   string `json:"image,omitempty"`
	Runtime string `json:"runtime"`
	Version string `json:"version,omitempty"` // of the runtime
	// Kernel is uname's release, Where "host" or "vm".
	Kernel string `json:"kernel"`
	Where  string `json:"where"`
	// Facts are the host's that explain results: LSMs, cgroup version.
	Facts   map[string]string `json:"facts,omitempty"`
	Began   time.Time         `json:"began"`
	Took    time.Duration     `json:"took"`
	Results []Result          `json:"results"`
	// Partial says why the run did not come to its end; empty when it did.
	Partial string `json:"partial,omitempty"`
}
