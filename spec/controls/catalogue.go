package controls

func cis(id, title string) Reference   { return Reference{Standard: CIS, ID: id, Title: title} }
func nist(id string) Reference         { return Reference{Standard: NIST, ID: id, Title: nistTitles[id]} }
func nsa(id, title string) Reference   { return Reference{Standard: NSA, ID: id, Title: title} }
func baseline(id string) Reference     { return Reference{Standard: PSS, ID: id, Level: "baseline"} }
func restricted(id string) Reference   { return Reference{Standard: PSS, ID: id, Level: "restricted"} }
func unverified(r Reference) Reference { r.Unverified = true; return r }

// Trivy's k8s-nsa-1.0 wires T-1.4 to its check of the host's network and T-1.5
// to that of the host's processes, apparently exchanged; here they go by their
// titles.
var (
	limitRange    = nsa("T-4.0", "resource policies: limit ranges")
	resourceQuota = nsa("T-4.1", "resource policies: resource quotas")
)

// nistTitles are the countermeasures of SP 800-190 that are referred to.
var nistTitles = map[string]string{
	"4.1.2": "image configuration defects", "4.1.4": "embedded clear text secrets", "4.1.5": "use of untrusted images",
	"4.3.3": "poorly separated inter-container network traffic", "4.4.1": "vulnerabilities within the runtime software",
	"4.4.2": "unbounded network access from containers", "4.4.3": "insecure container runtime configurations",
	"4.4.4": "app vulnerabilities", "4.4.5": "rogue containers", "4.5.1": "large attack surface",
	"4.5.2": "shared kernel", "4.5.3": "host OS component vulnerabilities", "4.5.5": "host OS file system tampering",
}

var catalogue = []Control{
	{1, "seccomp", "seccomp allow-list", "the kernel refuses every system call that is not on a list, before any code of the call runs", []Reference{
		cis("5.22", "the default seccomp profile is not disabled"), nist("4.4.3"), nist("4.4.4"),
		baseline("seccompProfile_baseline"), restricted("seccompProfile_restricted"), nsa("T-1.10", "hardening container environments")}},
	{2, "capabilities", "drop all capabilities", "root inside has none of the rights that the kernel gives to root", []Reference{
		cis("5.4", "Linux kernel capabilities are restricted"), cis("5.5", "privileged containers are not used"), nist("4.4.3"),
		baseline("capabilities_baseline"), restricted("capabilities_restricted"), baseline("privileged"), nsa("T-1.2", "privileged containers")}},
	{3, "no-new-privileges", "no_new_privs", "no program gains rights by being executed: setuid bits and file capabilities mean nothing", []Reference{
		cis("5.26", "no additional privileges can be acquired"), nist("4.4.3"), restricted("allowPrivilegeEscalation"), nsa("T-1.7", "privilege escalation")}},
	{4, "non-root", "non-root uid", "the program is not root, not even inside", []Reference{
		cis("4.1", "a user for the container has been created"), cis("5.24", "docker exec is not used with the root user"), nist("4.1.2"),
		restricted("runAsNonRoot"), restricted("runAsUser"), nsa("T-1.0", "non-root containers"), nsa("T-1.6", "non-root containers")}},
	{5, "user-namespace", "user namespace", "root inside is an ordinary user of the host, with ids that no other container has", []Reference{
		cis("5.31", "the host's user namespaces are not shared"), cis("2.9", "user namespace support is enabled"),
		unverified(nist("4.5.2")), nsa("rootless engines", "rootless container engines")}},
	{6, "read-only-root", "read-only rootfs", "an intruder cannot change the program or put another beside it", []Reference{
		cis("5.13", "the root filesystem is mounted read only"), nist("4.4.4"), nsa("T-1.1", "immutable container file systems")}},
	{7, "pid-namespace", "PID namespace", "processes of the host and of other containers cannot be seen or signalled", []Reference{
		cis("5.16", "the host's process namespace is not shared"), nist("4.4.3"), baseline("hostNamespaces"), nsa("T-1.4", "host process namespaces")}},
	{8, "ipc-namespace", "IPC namespace", "shared memory, semaphores and queues of the host cannot be reached", []Reference{
		cis("5.17", "the host's IPC namespace is not shared"), nist("4.4.3"), baseline("hostNamespaces"), nsa("T-1.3", "host IPC namespaces")}},
	{9, "network-namespace", "network namespace", "interfaces, loopback services and abstract sockets of the host cannot be reached", []Reference{
		cis("5.10", "the host's network namespace is not shared"), nist("4.4.2"), baseline("hostNamespaces"), nsa("T-1.5", "host network")}},
	{10, "other-namespaces", "UTS, cgroup and time namespaces", "names, control groups and clocks are its own", []Reference{
		cis("5.21", "the host's UTS namespace is not shared"), nist("4.4.3")}},
	{11, "memory", "memory limit", "it cannot take the host's memory", []Reference{
		cis("5.11", "the memory usage is limited"), unverified(nist("4.4.3")), limitRange, resourceQuota}},
	{12, "cpu", "CPU limit", "it cannot take the host's processors", []Reference{
		cis("5.12", "CPU priority is set appropriately"), unverified(nist("4.4.3")), limitRange, resourceQuota}},
	{13, "pids", "pids limit", "a fork bomb ends at a bound", []Reference{
		cis("5.29", "the PIDs cgroup limit is used"), unverified(nist("4.4.3")), unverified(nsa("resource policies", "resource policies"))}},
	{14, "rlimits", "rlimits and log cap", "descriptors, core dumps and logs are bounded", []Reference{
		cis("5.19", "the default ulimit is overwritten if needed"), cis("2.8", "the default ulimit is configured appropriately"), unverified(nist("4.4.3"))}},
	{15, "tmpfs", "tmpfs size, noexec, nosuid, nodev", "what can be written cannot be executed, and is bounded", []Reference{
		nist("4.4.4"), unverified(nist("4.5.5"))}},
	{16, "masked-paths", "masked and read-only /proc and /sys", "what the kernel tells of the host, and what it lets one set, is out of reach", []Reference{
		nist("4.4.3"), unverified(nist("4.5.1")), baseline("procMount"), restricted("procMount_restricted")}},
	{17, "host-mounts", "no host mounts", "files of the host cannot be reached", []Reference{
		cis("5.6", "sensitive host directories are not mounted"), nist("4.5.5"), baseline("hostPathVolumes"), restricted("restrictedVolumes")}},
	{18, "runtime-socket", "no runtime socket", "it cannot have the container engine start a container that is the host", []Reference{
		cis("5.32", "the Docker socket is not mounted"), nist("4.5.5"), baseline("hostPathVolumes")}},
	{19, "propagation", "private mount propagation", "what is mounted inside does not appear on the host", []Reference{
		cis("5.20", "mount propagation is not shared"), nist("4.5.5")}},
	{20, "devices", "device allow-list", "disks and memory of the host cannot be opened as devices", []Reference{
		cis("5.18", "host devices are not directly exposed"), unverified(nist("4.5.5")), baseline("privileged")}},
	{21, "lsm", "AppArmor, SELinux, Landlock", "a second list of what may be reached, apart from system calls", []Reference{
		cis("5.2", "an AppArmor profile is enabled"), cis("5.3", "SELinux security options are set"), nist("4.4.3"),
		baseline("appArmorProfile"), baseline("seLinuxOptions"), nsa("T-1.8", "AppArmor"), nsa("T-1.9", "SELinux")}},
	{22, "egress", "egress policy, no metadata service", "an intruder cannot call home, nor ask a cloud for its credentials", []Reference{
		unverified(cis("5.30", "docker's default bridge docker0 is not used")), nist("4.4.2"), nist("4.3.3"),
		nsa("T-2.0", "network policies"), nsa("T-3.0", "network policies")}},
	{23, "ports", "ports", "only what is needed is reachable, at the address where it is needed", []Reference{
		cis("5.8", "privileged ports are not mapped"), cis("5.9", "only needed ports are open"), cis("5.14", "incoming traffic is bound to a specific host interface"),
		nist("4.4.2"), baseline("hostPorts")}},
	{24, "sysctls", "sysctls", "settings of the kernel are its own namespaces' and safe ones", []Reference{
		nist("4.4.3"), baseline("sysctls")}},
	{25, "cgroup-placement", "cgroup placement", "it counts where its limits are, and cannot move itself", []Reference{
		cis("5.25", "cgroup usage is confirmed"), nist("4.4.3")}},
	{26, "image", "image: suid, secrets, trust", "what runs is what was published, and carries no tools of escalation", []Reference{
		cis("4.8", "setuid and setgid permissions are removed"), cis("4.10", "secrets are not stored in Dockerfiles"), cis("4.2", "containers use only trusted base images"),
		cis("4.5", "content trust for Docker is enabled"), cis("4.12", "all signed artifacts are validated"), cis("5.28", "docker commands always use the latest version of their image"),
		nist("4.1.2"), nist("4.1.4"), nist("4.1.5"), nsa("secure images", "building secure container images")}},
	{27, "runtime-floor", "runtime floor", "known ways out of the container runtime are closed", []Reference{
		cis("1.2.2", "the version of Docker is up to date"), nist("4.4.1"), nist("4.5.3")}},
	{28, "audit-log", "audit log, exec policy", "what was done is written down, and nobody walks in unseen", []Reference{
		cis("5.23", "docker exec is not used with the privileged option"), cis("5.7", "sshd is not run within containers"),
		nist("4.4.5"), nist("4.1.2"), unverified(nsa("audit logging", "audit logging"))}},
}
