package apparmor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/export"
)

// elsewhere is what to do about what the runtime decides.
const elsewhere = "export the target that runs the container as well: docker, podman, compose, kubernetes, nomad, oci"

// lose notes what AppArmor cannot say. It begins anew: what other targets cannot
// tell of the image is no matter here.
func (w *writer) lose(named bool) {
	w.s.Losses = export.LossesOf(w.s.Profile)
	w.loseProcess()
	w.loseFiles(named)
	w.loseCalls()
	w.loseNetwork()
	s, r := w.s, w.s.Profile.Resources
	s.Losses.Weaker("resources", fmt.Sprintf("memory %s, swap %s, cpus %s, pids %d", r.Memory, r.Swap, r.CPUs, *r.Pids), "AppArmor bounds no use of memory, processors and processes", elsewhere)
	s.LoseSection("image", "AppArmor knows nothing of images", "fetch it with safe-run image pull under this profile, and run it by digest")
	s.LoseSection("health", "AppArmor checks nothing", elsewhere)
	s.LoseSection("accept", "where a host has no AppArmor, runtimes refuse to start or leave the profile out", "run safe-run doctor on the host")
	s.LoseReactions("AppArmor")
}

func (w *writer) loseProcess() {
	p, l := w.s.Profile.Process, w.s.Losses
	user := fmt.Sprintf("runAsUser %d, runAsGroup %d, userFrom %s, root %t", *p.RunAsUser, *p.RunAsGroup, *p.UserFrom, p.Root != nil && said(p.Root.Allow))
	l.Weaker("process.runAsUser", user, "AppArmor does not say who runs the program, and has no user namespace", elsewhere)
	if a := p.SocketActivation; a != nil && said(a.Allow) {
		l.Missing("process.socketActivation", fmt.Sprintf("outbound %t", said(a.Outbound)), "who starts the container hands sockets on", "run it with safe-run")
	}
	for _, r := range w.s.Rlimits {
		at := "process.rlimits[" + r.Name + "]"
		switch {
		case !slices.Contains(plain, r.Name):
			l.Weaker(at, fmt.Sprintf("%d:%d", *r.Soft, *r.Hard), "it is left out: AppArmor counts it in another unit", elsewhere)
		case *r.Soft != *r.Hard:
			l.Weaker(at+".soft", fmt.Sprint(*r.Soft), "AppArmor lowers the hard limit, and the soft one only where it is above that", elsewhere)
		}
	}
	for _, f := range []struct{ name, value string }{
		{"init", fmt.Sprint(said(p.Init))}, {"stopSignal", text(p.StopSignal)}, {"stopTimeout", text(p.StopTimeout)}, {"oomScoreAdj", text(p.OOMScoreAdj)},
	} {
		if f.value != "" && f.value != "false" {
			l.Missing("process."+f.name, f.value, "it is the runtime's to do", elsewhere)
		}
	}
}

func said(b *bool) bool { return b != nil && *b }

// text is a value, or nothing where none is set.
func text[T any](value *T) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(*value)
}

func (w *writer) loseFiles(named bool) {
	s, l := w.s, w.s.Losses
	add := "write a rule into /etc/apparmor.d/local/" + w.name
	if !named {
		l.Different("image", "", "no image is named: its volumes are not known, and cannot be written to", "name the image")
	} else if !s.Image.Config {
		l.Different("image", s.Image.Reference, "the image's config was not read: its volumes are not known, and cannot be written to", "export again where the image can be read")
	}
	if size := s.Profile.Rootfs.Size; size != nil && !s.ReadOnly {
		l.Weaker("rootfs.size", size.String(), "AppArmor bounds no size", elsewhere)
	} else if size != nil {
		l.Missing("rootfs.size", size.String(), "it is for a root filesystem that may be written, and this one may not", "nothing to do")
	}
	for _, p := range s.Places {
		l.Weaker(p.Setting()+".size", fmt.Sprintf("%d bytes, %d inodes, mode %04o", p.Size, p.Inodes, p.Mode), "AppArmor makes no filesystem, and bounds no size and no number of files", elsewhere)
	}
	for _, p := range w.blocked() {
		l.Different(p.Setting()+".exec", "true", "it lies in a place whose programs must not be run, and AppArmor refuses them here as well", "move it out of there")
	}
	var list []string
	for _, h := range s.Profile.Mounts.HostPaths {
		list = append(list, fmt.Sprintf("%s write %t", h.Path, said(h.Write)))
	}
	l.Missing("mounts.hostPaths", cmp.Or(strings.Join(list, ", "), "none"), "AppArmor sees the path inside: what is mounted there can be read, and not written", add)
	l.Missing("mounts.volumes", fmt.Sprint(said(s.Profile.Mounts.Volumes)), "a volume can be read where it is mounted, and not written", add)
	l.Different("paths.masked", strings.Join(s.Profile.Paths.Masked, " "), "they are refused (EACCES), where safe-run shows something empty", "nothing to do")
	if s.ReadOnly {
		l.Different("rootfs.readOnly", "true", "what is written is refused with EACCES and not with EROFS", "nothing to do")
	}
}

func (w *writer) loseCalls() {
	var names []string
	for _, c := range w.s.Profile.Seccomp.Allow {
		names = append(names, c.Name)
	}
	l := w.s.Losses
	l.Weaker("seccomp.allow", strings.Join(names, " "), "AppArmor asks what is done to what, and not by which system call", "export seccomp as well, and name both")
	l.Weaker("userNamespace", "none further", "AppArmor 3 has no rule about new user namespaces", "the system call filter refuses them: export seccomp as well")
	for _, f := range w.s.Profile.Seccomp.AddressFamilies {
		at := "seccomp.addressFamilies[" + f.Name + "]"
		switch {
		case f.Name == "AF_NETLINK":
			l.Weaker(at, f.Name, "all of netlink, where safe-run leaves NETLINK_ROUTE", "export seccomp as well, and name both")
		case slices.Contains(nameless, f.Name):
			l.Missing(at, f.Name, "AppArmor 3.0 has no name for it: it is refused", "write a rule with a newer AppArmor")
		}
	}
	if w.allows("mq_open") {
		l.Different("seccomp.allow", "mq_open", "POSIX message queues have no path in the container that could be named; they are refused", "write a rule into /etc/apparmor.d/local/"+w.name)
	}
	for _, call := range []string{"mount", "umount2", "pivot_root", "move_mount"} {
		if w.allows(call) {
			l.Missing("seccomp.allow", call, "mounts are refused here whatever the filter allows", "nothing to do, or run it without this profile")
			break
		}
	}
}

func (w *writer) loseNetwork() {
	n, l := w.s.Profile.Network, w.s.Losses
	var rules []string
	for _, e := range n.Egress {
		rules = append(rules, e.String())
	}
	if w.s.Connected {
		l.Weaker("network.egress", cmp.Or(strings.Join(rules, "; "), "none"), "AppArmor 3 knows kinds of sockets and no addresses: connections may go anywhere", elsewhere)
	} else {
		l.Weaker("network.mode", string(*n.Mode), "AppArmor 3 knows kinds of sockets and no interfaces: it is the runtime that leaves all but the loopback interface out", elsewhere)
	}
	if n.UnprivilegedPortStart != nil {
		l.Different("network.unprivilegedPortStart", fmt.Sprint(*n.UnprivilegedPortStart), "it is the runtime's to set", elsewhere)
	}
}
