package audit

import (
	"fmt"

	"github.com/safe-run/safe-run/spec/controls"
	"github.com/safe-run/safe-run/spec/severity"
)

// opinion is what one look at a control comes to.
type opinion struct {
	verdict  Verdict
	severity severity.Severity
	at       Place
	what     string
	mend     string
}

func holds(at Place, format string, args ...any) opinion {
	return opinion{verdict: Holds, at: at, what: fmt.Sprintf(format, args...)}
}

func cannot(format string, args ...any) opinion {
	return opinion{verdict: CannotTell, what: fmt.Sprintf(format, args...)}
}

// bad is a violation without its severity.
func bad(at Place, what, mend string) opinion {
	return opinion{verdict: Violated, at: at, what: what, mend: mend}
}

func (o opinion) as(s severity.Severity) opinion { o.severity = s; return o }

// judges are one for each control, by its key.
var judges = map[string]func(Facts) []opinion{
	"seccomp": seccomp, "capabilities": capabilities, "no-new-privileges": noNewPrivileges, "non-root": nonRoot, "user-namespace": userNamespace,
	"read-only-root": readOnlyRoot, "pid-namespace": pidNamespace, "ipc-namespace": ipcNamespace, "network-namespace": networkNamespace,
	"other-namespaces": otherNamespaces, "memory": memory, "cpu": cpu, "pids": pids, "rlimits": rlimits, "tmpfs": tmpfs,
	"masked-paths": maskedPaths, "host-mounts": hostMounts, "runtime-socket": runtimeSocket, "propagation": propagation, "devices": devices,
	"lsm": lsm, "egress": egress, "ports": ports, "sysctls": sysctls, "cgroup-placement": cgroupPlacement, "image": image,
	"runtime-floor": func(Facts) []opinion {
		return []opinion{cannot("a configuration does not say which runtime will run it: safe-run doctor looks at this host's")}
	},
	"audit-log": func(Facts) []opinion {
		return []opinion{cannot("who may enter a running container, and what is written down, is decided where it runs")}
	},
}

// Judge gives the findings on one container, control by control: at least one for
// each of the catalogue.
func Judge(f Facts) []Finding {
	var out []Finding
	for _, c := range controls.All() {
		for _, o := range judges[c.Key](f) {
			out = append(out, Finding{
				Rule: c.Key, Title: c.Title, Controls: []int{c.Number}, Verdict: o.verdict, Severity: o.severity,
				Subject: f.Subject, Where: o.at, What: o.what, Why: why(o, c), Mend: o.mend,
			})
		}
	}
	return out
}

func why(o opinion, c controls.Control) string {
	if o.verdict == Holds {
		return ""
	}
	return c.Title + ": " + c.Does
}

// flag judges a fact that is good when it is true.
func flag(a Answer[bool], good string, otherwise opinion) []opinion {
	switch {
	case !a.Known:
		return []opinion{cannot("%s", a.Note)}
	case a.Is:
		return []opinion{holds(a.At, "%s", good+noted(a.Note))}
	}
	otherwise.at = a.At
	otherwise.what += noted(a.Note)
	return []opinion{otherwise}
}

func noted(note string) string {
	if note == "" {
		return ""
	}
	return ", " + note
}
