package seccomp

// Policy is the system call part of a plan.
type Policy struct {
	Arch     string   // GOARCH: amd64 or arm64
	Allow    []string // system calls and groups
	Families []string // address families that socket(2) may name
	// RawSockets allows SOCK_RAW of AF_INET and AF_INET6. It is of use only
	// together with CAP_NET_RAW.
	RawSockets bool
	// Init adds what safe-run's own first process needs, which runs under the
	// same filter as the program it starts.
	Init bool
	// Inbound refuses connect(2) and what else opens a connection. It is for a
	// process that holds a socket of the host's network.
	Inbound bool
}
