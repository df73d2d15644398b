// Package apparmor exports a profile as the text of one for AppArmor
// (apparmor.d(5)), which a runtime puts its containers under. It is a second
// layer beside what the runtime does: paths inside, capabilities, kinds of
// sockets, signals, and other processes' memory.
package apparmor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/quote"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// Prefix is in front of the application's name, so that the profile is never
// taken for one of the distribution's.
const Prefix = "safe-run-"

// writer puts a profile together.
type writer struct {
	strings.Builder
	s    *export.Subject
	name string
	// calls are the system calls that the profile allows.
	calls []string
}

// Export gives the profile, in a file with its name.
func Export(in export.Input) (export.Result, error) {
	named := in.Image.Reference != ""
	if !named {
		in.Image.Reference = in.Profile.Metadata.Name // any
	}
	s, err := export.Prepare(in)
	if err != nil {
		return export.Result{}, err
	}
	w := &writer{s: s, name: Prefix + s.Name, calls: seccomp.Expand(spec.SeccompPolicy(s.Profile, "amd64").Allow)}
	w.head()
	for _, part := range []func(){w.capabilities, w.network, w.processes, w.mounts, w.image, w.kernel, w.places, w.paths, w.limits} {
		part()
	}
	fmt.Fprintf(w, "\n  # What one host needs beside it.\n  include if exists <local/%s>\n}\n", w.name)
	w.lose(named)
	return export.Result{Files: []export.File{{Path: w.name, Data: []byte(w.String())}}, Losses: s.Losses.List()}, nil
}

func (w *writer) rule(format string, args ...any) { fmt.Fprintf(w, "  "+format+",\n", args...) }

func (w *writer) note(text string) { w.WriteString("\n  # " + text + "\n") }

func (w *writer) allows(call string) bool { return slices.Contains(w.calls, call) }

// head: what is not allowed below is refused. Paths are those inside: a path
// that does not lead to the container's root, because the file came in from
// outside, is looked at as if it did; and what was removed is looked at still.
func (w *writer) head() {
	fmt.Fprintf(w, `# %s, under the profile %s. For AppArmor 3.0 and newer:
#   apparmor_parser --replace %s
#   docker run --security-opt apparmor=%s ...
abi <abi/3.0>,

profile %s flags=(attach_disconnected,mediate_deleted) {
`, w.s.Name, quote.UnitLine(w.s.Profile.Metadata.Name), w.name, w.name, w.name)
}

func (w *writer) capabilities() {
	if len(w.s.Capabilities) == 0 {
		w.WriteString("  # No capability.\n")
		return
	}
	w.WriteString("  # Capabilities.\n")
	for _, c := range w.s.Capabilities {
		w.rule("capability %s", strings.ToLower(c))
	}
}

// nameless are families that AppArmor 3.0 has no name for, and therefore refuses.
var nameless = []string{"AF_DECnet", "AF_MCTP"}

// network: raw packets need NET_RAW here too. Of netlink every protocol comes
// with the family; which of them may be asked for is the filter's business.
func (w *writer) network() {
	if w.s.Connected {
		w.note("Sockets.")
	} else {
		w.note("Sockets, on the loopback interface: there should be no other.")
	}
	for _, f := range w.s.Profile.Seccomp.AddressFamilies {
		family := strings.ToLower(strings.TrimPrefix(f.Name, "AF_"))
		var types []string
		switch {
		case slices.Contains(nameless, f.Name):
			continue
		case f.Name == "AF_NETLINK":
			types = []string{" dgram", " raw"}
		case f.Name != "AF_INET" && f.Name != "AF_INET6":
			types = []string{""}
		case slices.Contains(w.s.Capabilities, "NET_RAW"):
			types = []string{" stream", " dgram", " raw"}
		default:
			types = []string{" stream", " dgram"}
		}
		for _, t := range types {
			w.rule("network %s%s", family, t)
		}
	}
}

// processes: signals are for each other, and from those that stop containers:
// runtimes run unconfined, or under profiles of these names on Ubuntu 24.04.
func (w *writer) processes() {
	w.note("Signals, for each other and from who stops the container.")
	w.rule("signal (send, receive) peer=%s", w.name)
	for _, from := range []string{"unconfined", "runc", "crun"} {
		w.rule("signal (receive) peer=%s", from)
	}
	w.note("What /proc tells of each other; nobody else's memory.")
	w.rule("ptrace (read, readby) peer=%s", w.name)
	if w.allows("ptrace") || w.allows("process_vm_readv") || w.allows("process_vm_writev") {
		w.rule("ptrace (trace, tracedby) peer=%s", w.name)
	}
}

func (w *writer) mounts() {
	w.note("The tree stays as the runtime made it.")
	for _, what := range []string{"mount", "remount", "umount", "pivot_root"} {
		w.rule("audit deny %s", what)
	}
}

// plain are limits that both count in the same unit; AppArmor sets the hard one.
var plain = []string{"as", "core", "data", "fsize", "locks", "memlock", "msgqueue", "nofile", "nproc", "rss", "rtprio", "sigpending", "stack"}

func (w *writer) limits() {
	w.note("Limits of each process.")
	for _, r := range w.s.Rlimits {
		if slices.Contains(plain, r.Name) {
			w.rule("set rlimit %s <= %d", r.Name, *r.Hard)
		}
	}
}
