package oci

import (
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/seccomp"
)

// lose notes what a bundle cannot say, and what was chosen without a host.
func lose(s *export.Subject) {
	s.LoseChecks("the runtime")
	p, l := s.Profile, s.Losses
	l.Different("userNamespace", fmt.Sprintf("0-65535 are %d-%d", firstID, firstID+65535), "a bundle has one range of ids: containers that are made from it share it",
		"give each bundle a range of its own in linux.uidMappings and gidMappings")
	l.Different("image", s.Image.Reference, "a bundle holds no image: the tree belongs into rootfs, with the mount points in it and readable to others",
		"umoci unpack, or: mkdir rootfs && docker export $(docker create IMAGE) | tar -C rootfs -x")
	l.Different("files", "/etc/hosts, /etc/hostname, /etc/resolv.conf", "they are the image's own", "write them into rootfs")
	l.Different("resources", "cgroup version 2", "limits are written for it; linux.resources.unified is refused where the host has version 1", "remove unified from config.json there")
	l.Different("process.rlimits", "", "the runtime must be allowed to set them: a limit above its own is an error", "start the runtime with limits that are no lower")
	l.Different("process.rlimits[core]", "", "where core dumps go to a program of the host, a limit of 0 does not stop it", "write 1 in place of 0 there (core(5))")
	seccomp.Lose(l, "the bundle")
	if !s.ReadOnly {
		l.Weaker("rootfs.size", p.Rootfs.Size.String(), "what is written stays in rootfs, and nothing bounds it", "put rootfs on a filesystem of its own, or lay an overlay over it")
	} else if p.Rootfs.Size != nil {
		l.Missing("rootfs.size", p.Rootfs.Size.String(), "it is for a root filesystem that may be written, and this one may not", "nothing to do")
	}
	if s.Init {
		l.Missing("process.init", "true", "the program is process 1 itself, and nobody reaps what it leaves behind", "put tini into the image, and in front of process.args")
	}
	if sig := p.Process.StopSignal; sig != nil {
		l.Missing("process.stopSignal", string(*sig), "who stops a container chooses the signal", "runc kill NAME "+string(*sig))
	}
	if t := p.Process.StopTimeout; t != nil {
		l.Missing("process.stopTimeout", t.String(), "who stops a container chooses how long to wait", "runc kill NAME TERM, and KILL after "+t.String())
	}
	if h := s.HealthText(); h != "" {
		l.Missing("health", h, "a runtime checks nothing", "check it from outside: runc exec NAME COMMAND")
	}
	loseNetwork(s)
}

func loseNetwork(s *export.Subject) {
	n := s.Profile.Network
	if !s.Connected {
		return
	}
	s.Losses.Missing("network.mode", "bridge", "the container has a loopback interface and nothing else", "attach one with a CNI plugin, or name a network namespace in linux.namespaces")
	var rules []string
	for _, e := range n.Egress {
		rules = append(rules, e.String())
	}
	s.Losses.Missing("network.egress", strings.Join(rules, "; "), "nothing can be reached until a network is attached, and then nothing is filtered", "filter it where the network is attached")
	var ports []string
	for _, p := range s.Publish {
		ports = append(ports, fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol))
	}
	if len(ports) > 0 {
		s.Losses.Missing("publish", strings.Join(ports, " "), "a runtime publishes no ports", "forward them where the network is attached")
	}
}
