package convert

import (
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
)

func (d *draft) privileged() {
	if d.ask.Privileged {
		d.tightened("privileged", "true", "every protection was off: all capabilities, all devices, no filter; none of it is kept",
			"write what it really needs into process.capabilities, seccomp.allow and mounts.hostPaths")
	}
}

// user keeps a number that is not root's. A name stays a flag, because only the
// image knows it.
func (d *draft) user() {
	const do = "allow it with process: {root: {allow: true, why: ...}}, where it cannot do without"
	p := &d.out.Profile.Process
	user, group, _ := strings.Cut(d.ask.User, ":")
	uid, err := strconv.ParseInt(user, 10, 64)
	switch {
	case d.ask.User == "":
		d.tightened("user", "", "nobody was named, which is root where the image names nobody; here it is user 65532 then", "name one: process: {runAsUser: 1000, runAsGroup: 1000}")
		return
	case user == "root" || err == nil && uid == 0:
		d.tightened("user", d.ask.User, "it runs as user 65532 unless the image names another one; root inside reaches code of the kernel that nobody else does", do)
		return
	case err != nil:
		d.out.Run = append(d.out.Run, "--user="+d.ask.User)
		return
	case uid < 0 || uid > 65535:
		d.tightened("user", d.ask.User, "a container has the ids 0 to 65535; it runs as user 65532", "choose an id below 65536, and change the files' owners")
		return
	}
	p.RunAsUser, p.UserFrom = &uid, new(profiles.UserFromProfile)
	gid, err := strconv.ParseInt(group, 10, 64)
	if group == "" {
		return
	}
	if err != nil || gid < 1 || gid > 65535 {
		d.tightened("user", d.ask.User, "the group is not kept: it is root's, a name, or out of range; it is 65532", "write process.runAsGroup")
		return
	}
	p.RunAsGroup = &gid
}

// grave are capabilities that amount to root's, or nearly so.
var grave = map[string]string{
	"SYS_ADMIN": "it is most of root's power: mounts, namespaces, many more", "SYS_MODULE": "it loads code into the kernel",
	"SYS_RAWIO": "it reaches memory and devices", "SYS_PTRACE": "it reads and changes other processes", "BPF": "it loads programs into the kernel",
	"DAC_READ_SEARCH": "it reads every file, also of the host (CVE-2014-9357)", "NET_ADMIN": "it changes the network, and reaches much of the kernel's code",
	"NET_RAW": "it forges packets", "PERFMON": "it reads the kernel's counters", "SYS_BOOT": "it restarts the machine", "SYS_TIME": "it sets the clock",
	"MAC_ADMIN": "it changes the security modules' policy", "MAC_OVERRIDE": "it ignores the security modules", "DAC_OVERRIDE": "it ignores the rights of files",
}

func (d *draft) capabilities() {
	p := &d.out.Profile.Process
	if !d.ask.DropAll && !d.ask.Privileged {
		d.tightened("cap-drop", "", "the engine's default capabilities are not kept; no program needs them that does not administer something", "add single ones to process.capabilities")
	}
	for _, text := range d.ask.Capabilities {
		name, err := profiles.ParseCapability(text)
		switch {
		case strings.EqualFold(text, "ALL") || strings.EqualFold(text, "CAP_ALL"):
			d.tightened("cap-add", text, "all capabilities are root's power; none is kept", "name those that it needs in process.capabilities")
			continue
		case err != nil:
			d.missing("cap-add", text, "there is no such capability", "")
			continue
		case slices.ContainsFunc(p.Capabilities, func(c profiles.Capability) bool { return c.Name == name }):
			continue
		}
		p.Capabilities = append(p.Capabilities, profiles.Capability{Name: name, Why: d.why("cap-add")})
		what := "it is kept, over what the container's own namespaces hold"
		if more := grave[name]; more != "" {
			what += "; " + more
		}
		d.kept("cap-add", name, what, "leave it out and try: safe-run names what is refused")
	}
	if p.Capabilities == nil {
		p.Capabilities = []profiles.Capability{}
	}
	if !d.ask.NoNewPrivs {
		d.tightened("no-new-privileges", "", "setuid programs and file capabilities gave rights; here they never do", "")
	}
}

func (d *draft) rootfs() {
	if !d.ask.ReadOnly {
		d.tightened("read-only", "", "the image could be written, and is read-only here; /tmp and /run can be written",
			"give it a volume (-v NAME:/path) or a tmpfs where it writes, or write rootfs: {readOnly: false, why: ...}")
	}
}

// mounts keeps memory filesystems, directories of the host that are nobody
// else's business, and volumes.
func (d *draft) mounts() {
	p := &d.out.Profile
	var list []profiles.Tmpfs
	for _, t := range d.ask.Tmpfs { // of two at one place the later one is seen
		list = append(slices.DeleteFunc(list, func(have profiles.Tmpfs) bool { return have.Path == t.Path }), t)
	}
	has := func(path string) bool {
		return slices.ContainsFunc(list, func(t profiles.Tmpfs) bool { return t.Path == path })
	}
	if d.ask.Shm != nil && !has("/dev/shm") {
		list = append(list, profiles.Tmpfs{Path: "/dev/shm", Size: d.ask.Shm})
	}
	if d.ask.ReadOnly {
		// Nothing else can be written there, so nothing else is here.
		if list == nil {
			list = []profiles.Tmpfs{}
		} else {
			p.Replace = append(p.Replace, "mounts.tmpfs")
		}
	}
	for i, t := range list {
		if t.Size == nil {
			list[i].Size = new(profiles.Bytes(64 << 20))
			d.tightened("tmpfs", t.Path, "it had no size, and could fill the memory; here it is 64MiB", "write mounts.tmpfs size")
		}
		if t.Exec != nil && *t.Exec {
			list[i].Why = d.why("tmpfs")
			d.kept("tmpfs", t.Path, "programs that are written there can be run", "leave out exec")
		}
	}
	if list != nil {
		p.Mounts.Tmpfs = list
	}
	for _, m := range d.ask.Mounts {
		d.mount(m)
	}
}

func (d *draft) mount(m Mount) {
	d.ask.Said("mount", m.Source2.Setting, m.Source2.Place)
	text := m.Target
	if m.Source != "" {
		text = m.Source + ":" + m.Target
	}
	if m.ReadOnly {
		text += ":ro"
	}
	if !m.Volume {
		if why, sensitive := spec.Sensitive(m.Source, !m.ReadOnly); sensitive {
			d.tightened("mount", text, "it is left out: "+why, "where it cannot do without, name it in mounts.hostPaths with a why, and add -v "+text)
			return
		}
		if !m.ReadOnly {
			d.kept("mount", text, "the container writes to the host there; programs in it cannot be run", "add :ro where it only reads")
		}
	}
	if strings.Count(text, ":") > 2 || strings.HasPrefix(text, "-") {
		d.missing("mount", text, "a path with ':' cannot be mounted", "rename it")
		return
	}
	d.out.Run = append(d.out.Run, "--volume="+text)
}

func (d *draft) paths() {
	p := &d.out.Profile.Paths
	p.Masked, p.ReadOnly = unique(d.ask.Masked), unique(d.ask.ReadOnlyPaths)
}

func unique(list []string) (out []string) {
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (d *draft) resources() {
	r, a := &d.out.Profile.Resources, d.ask
	r.Memory, r.Swap, r.CPUs, r.Pids = a.Memory, a.Swap, a.CPUs, a.Pids
	if a.Memory == nil {
		d.tightened("memory", "", "it could use all memory of the host; here 512MiB", "write resources.memory")
	} else if *a.Memory < 6<<20 {
		d.missing("memory", a.Memory.String(), "a container does not start with less than 6MiB; here 6MiB", "")
		r.Memory = new(profiles.Bytes(6 << 20))
	}
	if a.CPUs == nil {
		d.tightened("cpus", "", "it could use all processors of the host; here 1", "write resources.cpus")
	} else if *a.CPUs < 10 {
		r.CPUs = new(profiles.MilliCPU(10))
	}
	if a.Pids == nil || *a.Pids <= 0 {
		r.Pids = nil
		d.tightened("pids-limit", "", "a fork bomb could use up the process ids of the host; here 128 processes and threads", "write resources.pids")
	} else if *a.Pids > 4<<20 {
		r.Pids = new(int64(4 << 20))
	}
}

func (d *draft) rlimits() {
	p := &d.out.Profile
	for _, l := range d.ask.Rlimits {
		soft, hard := max(*l.Soft, 0), max(*l.Hard, 0)
		if *l.Soft < 0 || *l.Hard < 0 {
			d.tightened("ulimit", l.Name, "without a limit: it is not kept", "write process.rlimits with a number")
			continue
		}
		p.Process.Rlimits = append(slices.DeleteFunc(p.Process.Rlimits, func(have profiles.Rlimit) bool { return have.Name == l.Name }), profiles.Rlimit{Name: l.Name, Soft: new(min(soft, hard)), Hard: &hard})
		if l.Name == "core" && hard > 0 {
			d.kept("ulimit", "core", "core dumps hold every secret of the process", "write 0")
		}
	}
}
