package event

import "time"

// The controls that refuse.
const (
	Seccomp = "seccomp"
	Kernel  = "kernel" // files and privileges, as the kernel itself judges them
	Memory  = "memory"
	Pids    = "pids"
	Network = "network" // what leaves a container
)

// Severity says how much a denial looks like an attack.
type Severity string

// The severities. Low is what harmless programs try and go on without; High is
// what hardly any program has a reason for.
const (
	Low    Severity = "low"
	Medium Severity = "medium"
	High   Severity = "high"
)

// Denial is something that a sandbox refused, and how often.
type Denial struct {
	Control string `json:"control"`
	// Syscall is what was called, and Arguments those of its arguments that
	// decided: "family AF_ALG".
	Syscall   string   `json:"syscall,omitempty"`
	Arguments []string `json:"arguments,omitempty"`
	// Address, Port and Protocol ("tcp") are where a packet was to go.
	Address  string `json:"address,omitempty"`
	Port     uint16 `json:"port,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	// Errno is what the caller got: EPERM.
	Errno string `json:"errno,omitempty"`
	// Process is the thread's name, which it chooses by itself; Pid and Tid are
	// numbers of the host, of the first call.
	Process string `json:"process,omitempty"`
	Pid     int    `json:"pid,omitempty"`
	Tid     int    `json:"tid,omitempty"`
	// Count is of calls; of packets, where the network refused them.
	Count uint64    `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`

	Severity Severity `json:"severity"`
	// Harmless says that programs which try it go on without.
	Harmless bool `json:"harmless,omitempty"`
	// Meaning is what it usually is, Risk what allowing it would open.
	Meaning string `json:"meaning,omitempty"`
	Risk    string `json:"risk,omitempty"`
	// Allow are the lines of a profile that would allow it; when there are
	// none, Instead says what to do.
	Allow   []string `json:"allow,omitempty"`
	Instead string   `json:"instead,omitempty"`
}

// Rank orders severities.
func (s Severity) Rank() int {
	switch s {
	case High:
		return 2
	case Medium:
		return 1
	}
	return 0
}
