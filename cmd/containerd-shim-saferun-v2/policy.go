package main

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/shim"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// here is where the administrator's files are. Tests move it; nothing that a
// user can set does.
var here = policies.Here

// none is the profile that holds a container to nothing but the floor. Only the
// administrator can name it.
const none = "none"

// unasked are the capabilities that containerd gives to whoever asks for none.
var unasked = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
	"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// meet holds a container to its profile.
func meet(ask shim.Ask) (*spec.Met, error) {
	c, err := configured(ask.Options)
	if err != nil {
		return nil, err
	}
	p, err := profileOf(ask.OCI.Annotations[policies.ProfileAnnotation], c)
	if err != nil || p == nil {
		return nil, err
	}
	if err := policies.ResolveSources(ask.OCI, ask.Bundle); err != nil {
		return nil, err
	}
	host, err := runc.JoinsHost(ask.OCI)
	if err != nil {
		return nil, err
	}
	if isPause(ask.OCI) {
		demote(ask.OCI)
	}
	met, err := spec.MeetBundle(spec.BundleInput{
		OCI: ask.OCI, Profile: *p, Host: probe.Host(), Strip: c.OnConflict == policies.Strip, HostNamespaces: host, Reacts: true, Encloses: true, Resolvers: c.Resolvers,
		Unasked: unasked, Config: here.ConfigName(policies.Shim), Pod: podOf(ask.OCI),
	})
	if err != nil {
		return nil, inPod(ask.OCI, err)
	}
	return met, nil
}

// configured is what the administrator says: of the runtime in containerd's
// configuration, else of all of them in shim.yaml.
func configured(o shim.Options) (policies.BundleConfig, error) {
	c, err := here.BundleConfig(policies.Shim)
	if err != nil {
		return c, err
	}
	if o.ConfigPath != "" {
		if own, err := here.ReadBundleConfig(policies.Shim, o.ConfigPath); err == nil {
			c = own
		} else if profile, failed := here.ForBundle("", o.ConfigPath); failed == nil && profile != nil {
			c.Profile = o.ConfigPath
		} else {
			return c, problem.New("name a file of kind Shim or Profile, that only root can write",
				"ConfigPath %q of the runtime is neither: %w", o.ConfigPath, failed)
		}
	}
	if o.Profile != "" {
		c.Profile = o.Profile
	}
	switch o.OnConflict {
	case "":
	case policies.Refuse, policies.Strip:
		c.OnConflict = o.OnConflict
	default:
		return c, fmt.Errorf("onConflict of the runtime's options is %q, not refuse or strip", o.OnConflict)
	}
	if c.Profile == "" {
		c.Profile = "default"
	}
	return c, nil
}

// profileOf is the profile that applies. An annotation is its user's: it names
// one of those that the administrator lists, and only ever tightens.
func profileOf(annotation string, c policies.BundleConfig) (*profiles.Profile, error) {
	if c.Profile == none {
		c.Profile = ""
	}
	base, err := here.ForBundle("", c.Profile, c.Accept...)
	if err != nil || annotation == "" {
		return base, err
	}
	if !slices.Contains(c.Allow, annotation) {
		return nil, problem.New("list it under allow: in "+here.ConfigName(policies.Shim),
			"annotation %s names profile %.100q, which the administrator does not allow", policies.ProfileAnnotation, annotation)
	}
	own, err := here.ForBundle(annotation, "", c.Accept...)
	if err != nil {
		return nil, err
	}
	tight := policies.Tightened(*own, base)
	return &tight, nil
}

// isPause says whether the container is the one that holds a pod's namespaces.
func isPause(oci *specs.Spec) bool {
	return oci.Annotations["io.kubernetes.cri.container-type"] == "sandbox"
}

// nobody runs the pause container, whose image may name root: its program
// waits, and needs nothing that root has.
const nobody = 65535

func demote(oci *specs.Spec) {
	user := &oci.Process.User
	if user.UID == 0 {
		user.UID = nobody
	}
	if user.GID == 0 {
		user.GID = nobody
	}
	user.AdditionalGids = slices.DeleteFunc(user.AdditionalGids, func(g uint32) bool { return g == 0 })
}

// noticesIn is where what containers are refused is written down. A configuration
// that cannot be read refuses all containers, which is told there, too.
func noticesIn(o shim.Options) string {
	if c, err := configured(o); err == nil && c.Denials != "" {
		return c.Denials
	}
	return shim.DefaultNotices
}
