package copy

// Mapping is a range of a container's ids, and where it begins on the host.
type Mapping struct{ Container, Host, Count uint32 }

// IDs translate a container's users and groups. Without a mapping the numbers
// are the host's own.
type IDs struct{ Users, Groups []Mapping }

// overflow is what the kernel shows for an id that has no number inside
// (/proc/sys/kernel/overflowuid).
const overflow = 65534

func inside(maps []Mapping, host uint32) (uint32, bool) {
	for _, m := range maps {
		if host >= m.Host && host-m.Host < m.Count {
			return m.Container + host - m.Host, true
		}
	}
	return host, len(maps) == 0
}

func outside(maps []Mapping, container uint32) (uint32, bool) {
	for _, m := range maps {
		if container >= m.Container && container-m.Container < m.Count {
			return m.Host + container - m.Container, true
		}
	}
	return container, len(maps) == 0
}

// Outside gives the host's numbers of a user and a group of the container.
func (i IDs) Outside(uid, gid uint32) (uint32, uint32) {
	uid, _ = outside(i.Users, uid)
	gid, _ = outside(i.Groups, gid)
	return uid, gid
}

// Inside gives the container's numbers of a user and a group of the host.
func (i IDs) Inside(uid, gid uint32) (uint32, uint32) {
	uid, _ = inside(i.Users, uid)
	gid, _ = inside(i.Groups, gid)
	return uid, gid
}
