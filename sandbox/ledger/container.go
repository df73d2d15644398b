package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
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
	Ports      []string `json:"ports,omitempty"`
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
	// Args is the command line that makes it run again, without the program's
	// name and the verb, and Dir the directory that paths in it begin in.
	Args []string `json:"args,omitempty"`
	Dir  string   `json:"dir,omitempty"`
}

// Restart is a policy of docker's: "no", "on-failure", "always" or
// "unless-stopped". Max is the most restarts of on-failure; 0 is no bound.
type Restart struct {
	Policy string `json:"policy,omitempty"`
	Max    int    `json:"max,omitempty"`
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

// maxRecord bounds a file that is read: a command line may have 2 MiB.
const maxRecord = 4 << 20

// parseContainer reads what a file says of the container id.
func parseContainer(data []byte, id string) (Container, error) {
	var c Container
	if err := decode(data, &c); err != nil {
		return Container{}, err
	}
	if c.ID != id {
		return Container{}, errors.New("it is about another container")
	}
	if !ValidName(c.Name) {
		return Container{}, errors.New("its name is none")
	}
	c.Log = c.Log.orDefault()
	return c, nil
}

// parseState reads how a container is.
func parseState(data []byte) (State, error) {
	var s State
	if err := decode(data, &s); err != nil {
		return State{}, err
	}
	if !s.Status.known() || s.Pid < 0 {
		return State{}, errors.New("its state is none")
	}
	return s, nil
}

// decode reads one JSON value and nothing after it. Fields of a later version
// are passed over.
func decode(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if dec.Decode(v) != nil {
		return errors.New("it is not JSON of the kind that is expected")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its end")
	}
	return nil
}

// ValidID says whether an id is one: 64 hexadecimal digits.
func ValidID(id string) bool { return len(id) == 64 && hexadecimal(id) }

func hexadecimal(text string) bool {
	return text != "" && len(text) <= 64 && strings.Trim(text, "0123456789abcdef") == ""
}

// ValidName says whether a name is docker's kind: it starts with a letter or a
// digit and is a file's name at the same time.
func ValidName(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	for i, r := range name {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alphanumeric && (i == 0 || !strings.ContainsRune("_.-", r)) {
			return false
		}
	}
	return true
}
