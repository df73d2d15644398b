// Package kubernetes writes a profile as Kubernetes has it: a workload, what
// reaches it and what it reaches, and admission policies that hold others to the
// same. Every setting of the profile is in the manifests or in the losses.
//
// The manifests are for Kubernetes 1.33 and later, the first with user
// namespaces for pods and strict supplementary groups by default.
package kubernetes

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/problem"
)

// Options are what a cluster is asked for beside the profile.
type Options struct {
	Kind      string // one of Kinds
	Namespace string
	Schedule  string // of a CronJob
	// RuntimeClass is the name of a RuntimeClass; empty is the cluster's default.
	RuntimeClass string
	// Seccomp is where the filter is found: one of Filters.
	Seccomp string
	// AppArmor is RuntimeDefault, None, or the name of a profile that is loaded
	// on every node.
	AppArmor string
	// PodSecurity is the level that the namespace enforces: one of Levels.
	PodSecurity string
	// HostUsers leaves out the user namespace.
	HostUsers bool
	// Deny are ranges that no egress rule reaches, such as the cluster's own.
	Deny []netip.Prefix
	// Volumes are further places that can be written, on disk.
	Volumes []Volume
	// Format is one of Formats.
	Format string
	// Parts are the parts that are wanted, of Parts; none is all.
	Parts []string
	// Keys are the public keys of the profile's signatures, PEM by path.
	Keys map[string]string
}

// Volume is a place on disk.
type Volume struct {
	Path string
	Size profiles.Bytes // 0: as much as rootfs.size says
}

// What Options may say; the first is what is meant by nothing.
var (
	Kinds   = []string{"Deployment", "Pod", "Job", "CronJob", "StatefulSet", "DaemonSet"}
	Filters = []string{FilterLocalhost, FilterOperator, RuntimeDefault}
	Levels  = []string{Restricted, "baseline", "privileged"}
	Formats = []string{"yaml", "json", "kustomize", "helm"}
)

const (
	// FilterLocalhost is a file on each node, FilterOperator the same, put there
	// by the security-profiles-operator.
	FilterLocalhost = "localhost"
	FilterOperator  = "operator"
	// RuntimeDefault is the container runtime's own profile, and None no profile.
	RuntimeDefault = "runtime-default"
	None           = "none"
	// Restricted is the strictest Pod Security Standard.
	Restricted = "restricted"
)

// exporter is an export on its way.
type exporter struct {
	in     export.Input
	p      profiles.Profile
	o      Options
	losses []export.Loss

	uid, gid int64
	writable []place
}

// Export makes the files.
func Export(in export.Input, o Options) (export.Result, error) {
	if err := profiles.Validate(in.Profile); err != nil {
		return export.Result{}, err
	}
	x := &exporter{in: in, p: in.Profile, o: o}
	for _, step := range []func() error{x.defaults, x.check, x.level, x.identity, x.places, x.image} {
		if err := step(); err != nil {
			return export.Result{}, err
		}
	}
	x.lose()
	files, err := x.files()
	return export.Result{Files: files, Losses: x.losses}, err
}

// defaults says what nothing means.
func (x *exporter) defaults() error {
	for _, c := range []struct {
		flag  string
		value *string
		all   []string
	}{
		{"--kind", &x.o.Kind, Kinds}, {"--seccomp", &x.o.Seccomp, Filters},
		{"--pod-security", &x.o.PodSecurity, Levels}, {"--format", &x.o.Format, Formats},
	} {
		if *c.value == "" {
			*c.value = c.all[0]
		}
		at := slices.IndexFunc(c.all, func(one string) bool { return strings.EqualFold(one, *c.value) })
		if at < 0 {
			return problem.New("choose one of: "+strings.Join(c.all, ", "), "%s %q is none", c.flag, clip(*c.value))
		}
		*c.value = c.all[at]
	}
	if x.o.AppArmor == "" {
		x.o.AppArmor = RuntimeDefault
	}
	if x.o.Namespace == "" {
		x.o.Namespace = x.in.Name
	}
	if x.in.Replicas == 0 {
		x.in.Replicas = 1
	}
	for _, part := range x.o.Parts {
		if !slices.Contains(Parts, part) {
			return problem.New("choose from: "+strings.Join(Parts, ", "), "--only %q is no part of an export", clip(part))
		}
	}
	return nil
}

// wants says whether a part is asked for.
func (x *exporter) wants(part string) bool {
	return len(x.o.Parts) == 0 || slices.Contains(x.o.Parts, part)
}

// or is what a setting says, or otherwise.
func or[T any](setting *T, otherwise T) T {
	if setting == nil {
		return otherwise
	}
	return *setting
}

// from says where a setting was written, for those who read the manifest.
func (x *exporter) from(path string) string {
	if place := x.place(path); place != "" {
		return path + " (" + place + ")"
	}
	return path
}

// place is profile:line of a setting.
func (x *exporter) place(path string) string {
	origin := x.p.Origin(path)
	origin.Column = 0
	return origin.String()
}

// refuse is an error about a setting, with its place in front.
func (x *exporter) refuse(path, hint, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if origin := x.p.Origin(path); origin.Source != "" {
		what = origin.String() + ": " + what
	}
	return problem.New(hint, "%s", what)
}

// clip bounds foreign text in an error.
func clip(text string) string {
	const most = 64
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
