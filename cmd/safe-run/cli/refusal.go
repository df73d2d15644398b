package cli

import (
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// refusal is a flag that cannot be had.
type refusal struct{ flag, why, instead string }

// Error implements error.
func (r *refusal) Error() string { return r.flag + " is refused: " + r.why }

// Unwrap carries the hint.
func (r *refusal) Unwrap() error { return problem.New(r.instead, "%s", r.Error()) }

// set is what a refused flag does when it is given: nothing, where the value
// asks for what is the case anyway.
func (r refused) set(_ *runBuilder, value string) error {
	if slices.Contains(r.harmless, value) || (r.arg == "" && value == "false") {
		return nil
	}
	flag := "--" + r.name
	if r.shows && value != "" {
		flag += " " + value
	}
	return &refusal{flag, r.why, r.instead}
}

// refuseNetwork explains the networks that docker has.
func refuseNetwork(value string) error {
	kind, _, _ := strings.Cut(value, ":")
	switch kind {
	case "host":
		return &refusal{"--network host", "the container could reach everything that listens on the host, and watch its traffic",
			"publish ports with -p, and let it connect with --egress"}
	case "container", "ns":
		return &refusal{"--network " + value, "containers are kept apart: one that is taken over must not reach another",
			"publish a port of the other with -p, and let this one connect to it with --egress"}
	}
	return problem.New("write none or bridge", "there is no network %.60q", value)
}

// securityOpt accepts what is always on and refuses what takes it away.
func (b *runBuilder) securityOpt(value string) error {
	name, setting, _ := strings.Cut(strings.Replace(value, ":", "=", 1), "=")
	flag := "--security-opt " + name
	switch name {
	case "no-new-privileges":
		if setting == "" || setting == "true" {
			return nil
		}
		return &refusal{flag + "=" + setting, "setuid programs would be a way to root", "leave it out: it is always on"}
	case "seccomp":
		return &refusal{flag, "the system calls that are allowed belong to the profile",
			"add them under seccomp.allow in a profile of your own, each with its why: safe-run profile show web"}
	case "apparmor", "label":
		return &refusal{flag, "safe-run sets no AppArmor or SELinux label yet, and loosens none",
			"leave it out"}
	case "systempaths":
		return &refusal{flag, "the hidden paths of /proc and /sys show or change the host", "leave it out"}
	}
	return problem.New("leave it out", "%.60q is not a security option", value)
}
