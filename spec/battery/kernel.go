package battery

var kernel = []Probe{
	{
		ID: "K01", Title: "load kernel modules", Technique: "init_module(2), finit_module(2), delete_module(2)",
		Harmless: "no image, descriptor -1, and a name that no module has",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "K02", Title: "load another kernel", Technique: "kexec_load(2)",
		Harmless: "with flags and a number of segments that cannot be",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "K03", Title: "restart the machine", Technique: "reboot(2)",
		Harmless: "with magic numbers that are none",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "K04", Title: "swap and accounting", Technique: "swapon(2), swapoff(2), acct(2)",
		Harmless: "of a path that cannot exist, and never of none",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "K05", Title: "quotas", Technique: "quotactl(2)",
		Harmless: "a question about a device that cannot exist",
		Layers:   []Stop{filterPerm}, Controls: []int{1},
	},
	{
		ID: "K06", Title: "set the clock", Technique: "settimeofday(2)",
		Harmless: "to nothing",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2},
	},
	{
		ID: "K07", Title: "the clock's adjustment", Technique: "adjtimex(2)",
		Harmless: "it is read",
		Layers:   []Stop{filterPerm}, Controls: []int{1},
	},
	{
		ID: "K08", Title: "the kernel's log", Technique: "syslog(2)",
		Harmless: "64 bytes are read, and none is taken out",
		Layers:   []Stop{filterPerm, by(HostSysctls, "EPERM"), byGuard}, Controls: []int{1, 2},
	},
	{
		ID: "K09", Title: "hardware ports and the terminal of others", Technique: "iopl(2), ioperm(2), vhangup(2)",
		Harmless: "of a child that uses no port, and in a session without a terminal",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2},
	},
	{
		ID: "K10", Title: "the host's name", Technique: "sethostname(2)",
		Harmless: "to the name that it has",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2, 10},
	},
	{
		ID: "K11", Title: "watch every file of a filesystem", Technique: "fanotify_init(2) with FAN_REPORT_FID",
		Harmless: "the descriptor is closed at once",
		Layers:   []Stop{filterPerm, by(Sysctls, "EMFILE")}, Controls: []int{1},
	},
}
