package cli

// A refused flag is one of docker's that cannot be had. Naming it here makes
// the answer an explanation, not "unknown flag".
type refused struct {
	name, short string
	arg         string // what the value is called; empty for a switch
	why         string
	instead     string
	harmless    []string // values that ask for what is the case anyway
	shows       bool     // the value is part of the message
}

const (
	profileInstead = "write what the program needs into a profile: safe-run profile show --resolved web"
	notYetNetwork  = "leave it out; there is one bridge, and addresses on it are given out"
	noBlkio        = "I/O limits are not there yet"
	blkioInstead   = "leave it out; memory, processor and processes are always limited"
	noDevices      = "a device is a way to the host's hardware and its drivers"
	cpuInstead     = "limit it with --cpus"
)

// refusedFlags is the table of them.
var refusedFlags = []refused{
	{name: "privileged", why: "it turns every protection off", instead: profileInstead},
	{name: "pid", arg: "MODE", shows: true, why: "a shared pid namespace lets it see and signal other processes", instead: "leave it out; every container has its own"},
	{name: "ipc", arg: "MODE", shows: true, harmless: []string{"private", "none"}, why: "shared memory of other processes is theirs", instead: "leave it out; size /dev/shm with --shm-size"},
	{name: "uts", arg: "MODE", shows: true, why: "it could change the host's name", instead: "name the container with --hostname"},
	{name: "userns", arg: "MODE", shows: true, why: "without a user namespace, root inside is root outside", instead: "leave it out; where this host has no user namespaces: --accept user-namespace"},
	{name: "cgroupns", arg: "MODE", shows: true, harmless: []string{"private"}, why: "it would see the host's control groups", instead: "leave it out"},
	{name: "device", arg: "PATH", why: noDevices, instead: "leave it out; /dev/null, zero, full, random, urandom and tty are there"},
	{name: "device-cgroup-rule", arg: "RULE", why: noDevices, instead: "leave it out"},
	{name: "gpus", arg: "N", why: noDevices, instead: "leave it out; GPUs are not there yet"},
	{name: "volumes-from", arg: "CONTAINER", why: "containers share no mounts that are not written down", instead: "mount the same volume or directory into both with -v"},
	{name: "volume-driver", arg: "NAME", harmless: []string{"local"}, why: "volumes are directories of this host", instead: "leave it out"},
	{name: "link", arg: "CONTAINER", why: "containers cannot reach each other", instead: "publish a port of the other with -p, and let this one connect with --egress"},
	{name: "link-local-ip", arg: "IP", why: "link-local addresses are never reachable", instead: "leave it out"},
	{name: "add-host", arg: "NAME:IP", why: "entries of /etc/hosts are not there yet", instead: "pass the address in a variable with -e"},
	{name: "dns", arg: "IP", why: "queries to a resolver of one's choice carry data out", instead: "leave it out; the host's resolvers are used where --egress allows any"},
	{name: "dns-search", arg: "DOMAIN", why: "resolver settings are the host's", instead: "use full names"},
	{name: "dns-option", arg: "OPTION", why: "resolver settings are the host's", instead: "leave it out"},
	{name: "domainname", arg: "NAME", why: "NIS domain names are not there", instead: "write the full name with --hostname"},
	{name: "ip", arg: "IP", why: "addresses of the bridge are given out", instead: notYetNetwork},
	{name: "ip6", arg: "IP", why: "addresses of the bridge are given out", instead: notYetNetwork},
	{name: "mac-address", arg: "MAC", why: "an address of one's choice can pretend to be another's", instead: notYetNetwork},
	{name: "network-alias", arg: "NAME", why: "containers cannot reach each other", instead: notYetNetwork},
	{name: "publish-all", short: "P", why: "the image would decide which ports are open on the host", instead: "name each port: -p 127.0.0.1:8080:80"},
	{name: "runtime", arg: "NAME", shows: true, why: "safe-run is the runtime", instead: "leave it out"},
	{name: "attach", short: "a", arg: "STREAM", why: "the foreground has all of its streams", instead: "redirect the ones you do not want to /dev/null"},
	{name: "platform", arg: "OS/ARCH", shows: true, why: "only programs for this machine can be run", instead: "leave it out: of an image for several platforms this machine's is taken"},
	{name: "disable-content-trust", harmless: []string{"true"}, why: "Docker Content Trust is not spoken", instead: "leave it out; whose signatures an image needs is image.signatures in a profile"},
	{name: "sysctl", arg: "NAME=VALUE", why: "kernel settings belong to the profile", instead: "ports below 1024 are network.unprivilegedPortStart in a profile; others cannot be set yet"},
	{name: "isolation", arg: "KIND", harmless: []string{"default"}, why: "it is for Windows", instead: "leave it out"},
	{name: "storage-opt", arg: "OPTION", why: "what is written goes to memory", instead: "size it with --tmpfs DIR:size=64m, or rootfs.size in a profile"},
	{name: "group-add", arg: "GROUP", why: "supplementary groups are those that the image gives the user", instead: "add the user to the group in the image, or use --user USER:GROUP"},
	{name: "kernel-memory", arg: "SIZE", why: "the kernel has no such limit any more (Linux 5.16)", instead: "--memory counts kernel memory too"},
	{name: "memory-reservation", arg: "SIZE", why: "a soft limit limits nothing", instead: "limit it with --memory"},
	{name: "memory-swappiness", arg: "N", harmless: []string{"0"}, why: "there is no swap unless --memory-swap asks for it", instead: "leave it out"},
	{name: "oom-kill-disable", why: "a container that may not be killed hangs the host when memory runs out", instead: "give it the --memory it needs"},
	{name: "cpu-shares", short: "c", arg: "N", why: "a share bounds nothing when the host is idle", instead: cpuInstead},
	{name: "cpu-period", arg: "N", why: "the period is fixed", instead: cpuInstead},
	{name: "cpu-quota", arg: "N", why: "it depends on the period", instead: cpuInstead},
	{name: "cpu-rt-period", arg: "N", why: "real-time scheduling can stop the host", instead: cpuInstead},
	{name: "cpu-rt-runtime", arg: "N", why: "real-time scheduling can stop the host", instead: cpuInstead},
	{name: "cpuset-cpus", arg: "LIST", why: "processors cannot be chosen yet", instead: cpuInstead},
	{name: "cpuset-mems", arg: "LIST", why: "memory nodes cannot be chosen yet", instead: "leave it out"},
	{name: "blkio-weight", arg: "N", why: noBlkio, instead: blkioInstead},
	{name: "blkio-weight-device", arg: "DEVICE:N", why: noBlkio, instead: blkioInstead},
	{name: "device-read-bps", arg: "DEVICE:N", why: noBlkio, instead: blkioInstead},
	{name: "device-read-iops", arg: "DEVICE:N", why: noBlkio, instead: blkioInstead},
	{name: "device-write-bps", arg: "DEVICE:N", why: noBlkio, instead: blkioInstead},
	{name: "device-write-iops", arg: "DEVICE:N", why: noBlkio, instead: blkioInstead},
	{name: "annotation", arg: "KEY=VALUE", why: "annotations steer the runtime", instead: "attach a --label"},
	{name: "use-api-socket", why: "there is no engine and no socket", instead: "leave it out"},
}
