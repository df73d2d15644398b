package battery

var networks = []Probe{
	{
		ID: "N01", Title: "the kernel's cryptography", Technique: "socket(2) of AF_ALG",
		Harmless: "closed at once",
		Layers:   []Stop{filterFamily, by(LSM, "EACCES"), byGuard}, Reference: "CVE-2026-31431", Controls: []int{1, 21},
	},
	{
		ID: "N02", Title: "the hypervisor's sockets", Technique: "socket(2) of AF_VSOCK",
		Harmless: "closed at once",
		Layers:   []Stop{filterFamily, byGuard}, Reference: "containerd/containerd#7442", Controls: []int{1},
	},
	{
		ID: "N03", Title: "RxRPC and RDS", Technique: "socket(2) of AF_RXRPC, AF_RDS",
		Harmless: "closed at once",
		Layers:   []Stop{filterFamily, byGuard}, Reference: "CVE-2026-43500, CVE-2026-43494", Controls: []int{1},
	},
	{
		ID: "N04", Title: "families that hardly anybody uses", Technique: "socket(2) of AF_KEY, TIPC, CAN, BLUETOOTH, SMC, X25",
		Harmless: "closed at once",
		Layers:   []Stop{filterFamily, byGuard}, Reference: "CVE-2026-43503", Controls: []int{1},
	},
	{
		ID: "N05", Title: "frames past the network stack", Technique: "socket(2) of AF_XDP",
		Harmless: "closed at once",
		Layers:   []Stop{filterFamily, noCap, byGuard}, Controls: []int{1, 2},
	},
	{
		ID: "N06", Title: "forge packets", Technique: "socket(2) of AF_PACKET, raw ICMP",
		Harmless: "closed at once; nothing is sent",
		Layers:   []Stop{filterFamily, noCap, byGuard}, Reference: "ARP spoofing", Controls: []int{1, 2},
	},
	{
		ID: "N07", Title: "the packet filter and IPsec", Technique: "socket(2) of NETLINK_XFRM, NETLINK_NETFILTER",
		Harmless: "closed at once",
		Layers:   []Stop{filterFamily, byGuard}, Reference: "CVE-2026-43284, CVE-2026-46300", Controls: []int{1},
	},
	{
		ID: "N08", Title: "the host's audit", Technique: "socket(2) of NETLINK_AUDIT",
		Harmless: "closed at once",
		Layers:   []Stop{filterFamily, byGuard}, Controls: []int{1},
	},
	{
		ID: "N09", Title: "other netlink protocols", Technique: "socket(2) of NETLINK_GENERIC, SOCK_DIAG, CONNECTOR",
		Harmless: "closed at once",
		Layers:   []Stop{filterFamily, byGuard}, Controls: []int{1},
	},
	{
		ID: "N10", Title: "routes and device events", Technique: "socket(2) of NETLINK_ROUTE, KOBJECT_UEVENT",
		Harmless: "closed at once",
		Layers:   []Stop{filterFamily, byGuard}, Controls: []int{1},
	},
	{
		ID: "N11", Title: "a privileged port", Technique: "bind(2) of 127.0.0.1:80",
		Harmless: "nobody listens, and it is closed at once",
		Layers:   []Stop{by(Capabilities, "EACCES"), by(Landlock, "EACCES"), filterFamily}, Controls: []int{2, 23},
	},
	{
		ID: "N12", Title: "the cloud's metadata", Technique: "connect(2) of a datagram socket to 169.254.169.254 and fd00:ec2::254",
		Harmless: "a route is looked up; no packet is sent",
		Layers:   []Stop{by(Namespaces, "ENETUNREACH", "EADDRNOTAVAIL"), filterFamily, by(Network, "ENETUNREACH", "EHOSTUNREACH", "EACCES")}, Controls: []int{9, 22},
	},
	{
		ID: "N13", Title: "abstract sockets of the host", Technique: "/proc/net/unix, connect(2)",
		Harmless: "it is read; connected to is a socket of the battery's own",
		Layers:   []Stop{by(Namespaces), by(Landlock, "EPERM")}, Reference: "CVE-2020-15257", Controls: []int{9},
	},
	{
		ID: "N14", Title: "forward packets", Technique: "open(2) of net.ipv4.ip_forward for writing",
		Harmless: "opened and closed",
		Layers:   []Stop{readOnly, ownedByRoot}, Controls: []int{16, 24},
	},
	{
		ID: "N15", Title: "the way out to the host", Technique: "connect(2) to an address of the host, which no egress opens; names that change mean nothing to rules of addresses",
		Harmless: "the server is the battery's own, and nothing is sent",
		Layers:   []Stop{filterFamily, by(Landlock, "EACCES"), by(Namespaces, "ENETUNREACH", "EHOSTUNREACH"), by(Network, "ETIMEDOUT", "ECONNREFUSED", "EHOSTUNREACH")}, Controls: []int{22},
	},
}
