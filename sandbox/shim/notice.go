package shim

import (
	"strings"
	"time"
	"unicode"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
)

// What a notice tells of.
const (
	noticeDenied   = "denied"   // a call or a packet of a container
	noticeStripped = "stripped" // what a container asked for runs without
	noticeRefused  = "refused"  // a container that was not made
)

// notice is something that was refused, for whoever looks after the node. It
// goes to containerd's events, to the log and into the file of its pod.
type notice struct {
	Time time.Time `json:"time"`
	What string    `json:"what"`
	subject
	Message string         `json:"message"`
	Hint    string         `json:"hint,omitempty"` // how it is allowed
	Denial  *event.Denial  `json:"denial,omitempty"`
	Setting *spec.Decision `json:"setting,omitempty"`
}

// subject is whose notice it is. Names are what users wrote: bounded, and of one
// line.
type subject struct {
	Namespace    string `json:"namespace"` // containerd's
	ID           string `json:"id"`
	Container    string `json:"container,omitempty"` // its name in the pod
	Pod          string `json:"pod,omitempty"`       // id of the sandbox
	PodNamespace string `json:"podNamespace,omitempty"`
	PodName      string `json:"podName,omitempty"`
	PodUID       string `json:"podUID,omitempty"`
	Profile      string `json:"profile,omitempty"`

	// until is a path that is there for as long as the pod is known to its
	// engine; empty when there is none.
	until string
}

// maxText bounds a text of others', in bytes, and maxLine what is made of several.
const (
	maxText = 256
	maxLine = 4 << 10
)

// plain is text of others' without what moves a terminal or looks like another
// line.
func plain(text string) string { return bounded(text, maxText) }

func bounded(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// subjectOf is that of a container; the annotations are those that containerd's
// CRI writes after what it passes on of a pod's own.
func subjectOf(namespace, id string, oci *specs.Spec) subject {
	const cri = "io.kubernetes.cri."
	a := oci.Annotations
	s := subject{
		Namespace: plain(namespace), ID: plain(id), Container: plain(a[cri+"container-name"]), Pod: plain(a[cri+"sandbox-id"]),
		PodNamespace: plain(a[cri+"sandbox-namespace"]), PodName: plain(a[cri+"sandbox-name"]), PodUID: plain(a[cri+"sandbox-uid"]),
	}
	if s.Pod == "" {
		return s
	}
	// What the CRI plugin keeps of a pod, it keeps until the pod is removed.
	mark := "/sandboxes/" + s.Pod + "/"
	for _, m := range oci.Mounts {
		if at := strings.Index(m.Source, mark); at > 0 && strings.HasPrefix(m.Source, "/") {
			s.until = m.Source[:at+len(mark)-1]
		}
	}
	return s
}

// group is what the file is kept by: the pod, or the container where it is in
// none.
func (s subject) group() string {
	if s.Pod != "" {
		return s.Pod
	}
	return s.ID
}

// denied is a notice of what the kernel or its filter refused.
func (s subject) denied(d event.Denial, more string) notice {
	d.Process = plain(d.Process)
	for i, arg := range d.Arguments {
		d.Arguments[i] = plain(arg)
	}
	return notice{What: noticeDenied, subject: s, Message: d.Line(), Hint: d.Hint() + more, Denial: &d}
}

// stripped is a notice of a setting that a bundle asked for and did not get.
func (s subject) stripped(d spec.Decision) notice {
	d.Setting, d.Value, d.Why = plain(d.Setting), plain(d.Value), plain(d.Why)
	return notice{
		What: noticeStripped, subject: s, Setting: &d,
		Message: "profile " + s.Profile + ": instead of " + d.Setting + ": " + d.Value + " (" + d.Source + "): " + d.Why,
		Hint:    "ask for less, or have profile " + s.Profile + " allow it",
	}
}

// severity of a notice; what was taken away or refused as a whole is told before
// all else.
func (n notice) severity() event.Severity {
	if n.Denial != nil {
		return n.Denial.Severity
	}
	return event.High
}
