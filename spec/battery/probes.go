package battery

import "slices"

// Probes gives the battery in the order in which it is carried out.
func Probes() []Probe {
	return slices.Concat(mounts, kernel, calls, entries, networks, files, devices, privileges, resources)
}

// Find gives one probe.
func Find(id string) (Probe, bool) {
	all := Probes()
	i := slices.IndexFunc(all, func(p Probe) bool { return p.ID == id })
	if i < 0 {
		return Probe{}, false
	}
	return all[i], true
}

// by is a layer with what its refusal looks like. A layer that hides or changes
// what there is gives no error at all.
func by(layer Layer, errnos ...string) Stop { return Stop{Layer: layer, Errnos: errnos} }

// The layers that stop most probes. A filter answers EPERM to what is known to
// be dangerous and ENOSYS to what it does not know; other tools' filters, and
// those of profiles that name a call, may give either.
var (
	filterPerm   = by(Seccomp, "EPERM", "ENOSYS")
	filterNoSys  = by(Seccomp, "ENOSYS", "EPERM")
	filterFamily = by(Seccomp, "EAFNOSUPPORT", "EPERM", "ENOSYS")
	filterKill   = by(Seccomp, "SIGSYS")
	noCap        = by(Capabilities, "EPERM")
	hidden       = by(Masks) // an empty file or directory is in its place
	readOnly     = by(Masks, "EROFS")
	byGuard      = by(Guard, "EPERM")
	ownedByRoot  = by(UserNS, "EACCES", "EPERM") // the owner is nobody of this user namespace
)
