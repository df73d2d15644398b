package spec

import "strings"

// Pod names the pod of a bundle, as containerd's CRI writes it into annotations
// that users cannot set. The zero value is no pod.
type Pod struct {
	UID     string // of the pod; names the kubelet's directory of it
	Sandbox string // id of the pause container; names containerd's
}

// files are those that the kubelet and containerd make for this pod. Those of
// others beside them hold their secrets.
func (p Pod) files() []engineFile {
	var out []engineFile
	if segment(p.Sandbox) {
		out = append(out,
			engineFile{"/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/" + p.Sandbox, engineTargets},
			engineFile{"/run/containerd/io.containerd.grpc.v1.cri/sandboxes/" + p.Sandbox, engineTargets})
	}
	if segment(p.UID) {
		out = append(out, engineFile{"/var/lib/kubelet/pods/" + p.UID, nil})
	}
	return out
}

// segment says whether a name is one part of a path.
func segment(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}
