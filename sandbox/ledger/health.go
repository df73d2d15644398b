package ledger

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// healthFile is what the checks of a container have come to. It is apart from
// the state, which everybody reads who lists containers, and for which there is
// room on a full disk: what a check writes is neither short nor needed there.
const healthFile = "health.json"

// The healths of a State, as docker calls them.
const (
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
)

// What is kept of checks: as much as docker does.
const (
	MaxChecks      = 5
	MaxCheckOutput = 4096 // bytes
)

// Health is the last checks of a container.
type Health struct {
	// FailingStreak is how many have failed since the last that did not.
	FailingStreak int     `json:"failingStreak"`
	Log           []Check `json:"log,omitempty"` // the oldest first
}

// Check is one of them. One that did not end in time, or could not be run, has
// the exit code -1.
type Check struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	ExitCode int       `json:"exitCode"`
	Output   string    `json:"output"`
}

// SetHealth keeps the last checks. They are not worth waiting for a disk: after
// the power has failed nothing runs that they are about.
func (e *Entry) SetHealth(h Health) error {
	h.Log = slices.Clone(h.Log[max(0, len(h.Log)-MaxChecks):])
	for i := range h.Log {
		h.Log[i].Output = clipped(h.Log[i].Output)
	}
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	const part = healthFile + partSuffix
	fd, err := unix.Openat(e.dir, part, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: part, Err: err}
	}
	f := os.NewFile(uintptr(fd), part)
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = unix.Renameat(e.dir, part, e.dir, healthFile)
	}
	if err != nil {
		_ = unix.Unlinkat(e.dir, part, 0)
	}
	return err
}

// clipped is text that is not too long.
func clipped(text string) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(text) <= MaxCheckOutput {
		return text
	}
	end := MaxCheckOutput
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// Health gives the last checks of a container; none where none are known.
func (l *Ledger) Health(id string) Health {
	dir, err := l.openDir(id)
	if err != nil {
		return Health{}
	}
	defer unix.Close(dir)
	data, err := readFile(dir, healthFile)
	if err != nil {
		return Health{}
	}
	return parseHealth(data)
}

// parseHealth reads what a file says; what is none says nothing.
func parseHealth(data []byte) Health {
	var h Health
	if decode(data, &h) != nil || h.FailingStreak < 0 {
		return Health{}
	}
	h.Log = h.Log[max(0, len(h.Log)-MaxChecks):]
	for i := range h.Log {
		h.Log[i].Output = clipped(h.Log[i].Output)
	}
	return h
}
