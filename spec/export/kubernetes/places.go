package kubernetes

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// place is a path that can be written, in memory or on disk.
type place struct {
	path, name string
	size       profiles.Bytes
	memory     bool
	claim      bool // a volume that outlives the pod
	note       string
}

// defaultDisk is the size of a place on disk where nothing says one.
const defaultDisk profiles.Bytes = 1 << 30

// places lists what can be written: the profile's memory filesystems, the
// image's volumes, and what was asked for.
func (x *exporter) places() error {
	taken := map[string]bool{}
	add := func(p place, what string) error {
		if taken[p.path] {
			return problem.New("leave one of them out", "two volumes at %s: %s is the second", clip(p.path), what)
		}
		taken[p.path] = true
		p.name = x.volumeName(p.path)
		x.writable = append(x.writable, p)
		return nil
	}
	asked := map[string]bool{}
	for _, v := range x.o.Volumes {
		asked[v.Path] = true
	}
	for _, t := range x.p.Mounts.Tmpfs {
		if asked[t.Path] {
			continue // on disk in its place
		}
		at := "mounts.tmpfs[" + t.Path + "]"
		if err := add(place{path: t.Path, size: or(t.Size, 64<<20), memory: true, note: x.from(at)}, at); err != nil {
			return err
		}
	}
	disk := or(x.p.Rootfs.Size, defaultDisk)
	volumes := or(x.p.Mounts.Volumes, false)
	if len(x.o.Volumes) > 0 && !volumes {
		return x.refuse("mounts.volumes", "leave out --volume, or write mounts.volumes: true into the profile",
			"the profile allows no volumes, and one is wanted at %s", clip(x.o.Volumes[0].Path))
	}
	for _, v := range x.o.Volumes {
		size := v.Size
		if size == 0 {
			size = disk
		}
		if err := add(place{path: v.Path, size: size, claim: x.o.Kind == "StatefulSet", note: "--volume"}, "--volume"); err != nil {
			return err
		}
	}
	for _, at := range x.in.Image.Volumes {
		if !volumes || taken[at] || !path.IsAbs(at) || path.Clean(at) != at || at == "/" || strings.ContainsAny(at, ":\x00") {
			continue
		}
		if err := add(place{path: at, size: disk, claim: x.o.Kind == "StatefulSet", note: "a volume of the image"}, "the image's"); err != nil {
			return err
		}
	}
	return nil
}

// volumeName makes a DNS label of a path, another one for each.
func (x *exporter) volumeName(at string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, at), "-")
	name = strings.Trim(name[:min(len(name), 50)], "-")
	if name == "" {
		name = "volume"
	}
	unique := name
	for n := 2; slices.ContainsFunc(x.writable, func(p place) bool { return p.name == unique }); n++ {
		unique = name + "-" + strconv.Itoa(n)
	}
	return unique
}

// mounts are the container's, volumes the pod's.
func (x *exporter) mounts() list {
	var out list
	for _, p := range x.writable {
		out = append(out, object{{key: "name", value: p.name}, {key: "mountPath", value: p.path}})
	}
	return out
}

func (x *exporter) volumes() list {
	var out list
	for _, p := range x.writable {
		if p.claim {
			continue
		}
		dir := object{}
		if p.memory {
			dir = dir.with("medium", "Memory")
		}
		dir = dir.with("sizeLimit", quantity(p.size), p.note)
		out = append(out, object{{key: "name", value: p.name}, {key: "emptyDir", value: dir}})
	}
	return out
}

// claims are the volumes of a StatefulSet that outlive its pods.
func (x *exporter) claims() list {
	var out list
	for _, p := range x.writable {
		if !p.claim {
			continue
		}
		spec := object{}.
			with("accessModes", list{"ReadWriteOncePod"}, "nobody else has it").
			with("resources", object{}.with("requests", object{}.with("storage", quantity(p.size), p.note)))
		out = append(out, object{}.with("metadata", object{}.with("name", p.name)).with("spec", spec))
	}
	return out
}

// quantity writes bytes as Kubernetes does: 64Mi.
func quantity(b profiles.Bytes) string {
	for _, u := range []struct {
		shift uint
		name  string
	}{{40, "Ti"}, {30, "Gi"}, {20, "Mi"}, {10, "Ki"}} {
		if b != 0 && b%(1<<u.shift) == 0 {
			return strconv.FormatInt(int64(b>>u.shift), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
