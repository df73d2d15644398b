package main

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// fields are the places of a pod that ask for what a bundle has, by how the
// refusal names it.
var fields = []struct{ asked, field, instead string }{
	{"the host's network namespace", "spec.hostNetwork", "hostNetwork: false"},
	{"the host's pid namespace", "spec.hostPID", "hostPID: false"},
	{"the host's uts namespace", "spec.hostNetwork", "hostNetwork: false"},
	{"the host's ipc namespace", "spec.hostIPC", "hostIPC: false"},
	{"no user namespace of its own", "spec.hostUsers", "hostUsers: false"},
	{"user root", "securityContext.runAsUser", "runAsUser and runAsGroup that are not 0, and runAsNonRoot: true"},
	{"device rule", "securityContext.privileged", "privileged: false"},
	{"capability", "securityContext.capabilities.add", "capabilities that the profile gives"},
	{"mount of", "volumes.hostPath", "a volume that is not the host's"},
	{"device ", "resources or securityContext.privileged", "no devices"},
}

// podOf is the pod of a bundle. containerd's CRI writes these annotations after
// those that it passes on of a pod's own.
func podOf(oci *specs.Spec) spec.Pod {
	return spec.Pod{UID: oci.Annotations["io.kubernetes.cri.sandbox-uid"], Sandbox: oci.Annotations["io.kubernetes.cri.sandbox-id"]}
}

// inPod names the field of the pod in what was refused, for whoever reads the
// pod's events.
func inPod(oci *specs.Spec, err error) error {
	if podOf(oci).Sandbox == "" {
		return err
	}
	if privileged(oci) {
		return problem.New("in the pod write privileged: false; or "+problem.HintOf(err), "securityContext.privileged: %w", err)
	}
	text := err.Error()
	for _, f := range fields {
		if strings.Contains(text, f.asked) {
			return problem.New("in the pod write "+f.instead+"; or "+problem.HintOf(err), "%s: %w", f.field, err)
		}
	}
	return err
}

// privileged says whether the bundle asks for all devices, as nothing else in a
// pod does.
func privileged(oci *specs.Spec) bool {
	return oci.Linux != nil && oci.Linux.Resources != nil &&
		slices.ContainsFunc(oci.Linux.Resources.Devices, func(d specs.LinuxDeviceCgroup) bool {
			return d.Allow && d.Major == nil && d.Minor == nil && (d.Type == "" || d.Type == "a")
		})
}
