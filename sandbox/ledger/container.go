package ledger

import (
	"cmp"
	"time"
)

// Container is what a container is.
type Container struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Created     time.Time `json:"created"`
	Image       string    `json:"image"`
	ImageDigest string    `json:"imageDigest,omitempty"`
	// Command is the program with its arguments.
	Command []string          `json:"command,omitempty"`
	Profile string            `json:"profile,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Ports are the published ports: "127.0.0.1:8080->80/tcp".
	Ports []string `json:"ports,omitempty"`
	// Volumes are those that it has when it runs.
	Volumes    []Volume `json:"volumes,omitempty"`
	Restart    Restart  `json:"restart"`
	AutoRemove bool     `json:"autoRemove,omitempty"`
	// Kept says that it may stay created without a supervisor.
	Kept      bool `json:"kept,omitempty"`
	Terminal  bool `json:"terminal,omitempty"`
	OpenStdin bool `json:"openStdin,omitempty"`
	// StopSignal by name and StopTimeout are how it is asked to end.
	StopSignal  string        `json:"stopSignal,omitempty"`
	StopTimeout time.Duration `json:"stopTimeout,omitempty"`
	Log         LogLimit      `json:"log"`
	// Limits are those that were changed since it was made.
	Limits Limits `json:"limits,omitzero"`
	// Args is the command line that makes it run again, without the program's
	// name and the verb, and Dir the directory that paths in it begin in.
	Args []string `json:"args,omitempty"`
	Dir  string   `json:"dir,omitempty"`
}

// Volume is a volume that a container has.
type Volume struct {
	Name        string `json:"name"`
	Source      string `json:"source"`
	Destination string `json:"destination"`
	ReadOnly    bool   `json:"readOnly,omitempty"`
	// Anonymous says that nobody gave it its name.
	Anonymous bool `json:"anonymous,omitempty"`
}

// Restart is a policy of docker's: "no", "on-failure", "always" or
// "unless-stopped". Max is the most restarts of on-failure; 0 is no bound.
type Restart struct {
	Policy string `json:"policy,omitempty"`
	Max    int    `json:"max,omitempty"`
}

// Limits are limits that were set; 0 is one that was not.
type Limits struct {
	Memory   int64 `json:"memory,omitempty"`   // bytes
	MilliCPU int64 `json:"milliCPU,omitempty"` // thousandths of a processor
	Pids     int64 `json:"pids,omitempty"`
}

// Over gives l with what it does not set from before.
func (l Limits) Over(before Limits) Limits {
	return Limits{cmp.Or(l.Memory, before.Memory), cmp.Or(l.MilliCPU, before.MilliCPU), cmp.Or(l.Pids, before.Pids)}
}

// LogLimit bounds a log: files of at most Size bytes, at most Files of them.
type LogLimit struct {
	Size  int64 `json:"size,omitempty"`
	Files int   `json:"files,omitempty"`
}

// Status is what a container is doing.
type Status string

// The statuses, as docker calls them.
const (
	Created    Status = "created"
	Running    Status = "running"
	Paused     Status = "paused"
	Restarting Status = "restarting" // it has ended, and will be started again
	Exited     Status = "exited"
	Dead       Status = "dead" // its supervisor is gone
)

// Active says whether there ought to be a supervisor.
func (s Status) Active() bool { return s == Running || s == Paused || s == Restarting }

func (s Status) known() bool {
	return s == Created || s == Exited || s == Dead || s.Active()
}

// State is how a container is.
type State struct {
	Status Status `json:"status"`
	// Pid is the first process and PidStart its start time in clock ticks
	// (proc(5) stat field 22); 0 when it does not run.
	Pid      int       `json:"pid,omitempty"`
	PidStart uint64    `json:"pidStart,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	ExitCode int       `json:"exitCode"`
	// Cause and Hint say what the exit code does not.
	Cause     string `json:"cause,omitempty"`
	Hint      string `json:"hint,omitempty"`
	OOMKilled bool   `json:"oomKilled,omitempty"`
	Restarts  int    `json:"restarts,omitempty"`
	// Health is "starting", "healthy" or "unhealthy"; empty without a check.
	Health string `json:"health,omitempty"`
	// Stopped says that a person ended it, so that unless-stopped leaves it.
	Stopped bool `json:"stopped,omitempty"`
}
