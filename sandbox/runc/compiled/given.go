package compiled

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// PidfdSocket is the environment variable that names the descriptor which
// libcontainer's init is given as Process.PidfdSocket, and fifo that of the fifo
// at which the first process waits for its start.
const (
	PidfdSocket = "_LIBCONTAINER_PIDFD_SOCK"
	fifo        = "_LIBCONTAINER_FIFOFD"
)

// Confinement is what a process puts itself under just before its program, as it
// is written where the rules for Landlock are.
type Confinement struct {
	*spec.Landlock
	Limits []Limit `json:"limits,omitempty"`
}

// Limit is a limit of a process (setrlimit(2)), none of which is raised.
type Limit struct {
	Type       int
	Soft, Hard uint64
}

// The leave to go on that a process gets which has joined: with what is for Take,
// or without.
const (
	Alone       = 1
	Accompanied = 2
)

// Given takes the filter that came to libcontainer's init in the place of a
// socket, if one did. It is for init, before libcontainer begins. After an error
// it must not go on.
func Given() error {
	fd, err := strconv.Atoi(os.Getenv(PidfdSocket))
	if err != nil || !IsSealed(fd) {
		return nil
	}
	os.Unsetenv(PidfdSocket)
	return Take(fd)
}

// Take closes what Sealed has made, and keeps what is in it for libcontainer,
// which will ask for it. Without the filter, libcontainer compiles; without the
// rules for Landlock it must not go on.
func Take(fd int) error {
	defer unix.Close(fd)
	data, err := unseal(fd)
	if err != nil {
		return err
	}
	rules, encoded, err := unpack(data)
	if err != nil {
		return err
	}
	if len(rules) > 0 {
		if err := confineBy(rules); err != nil {
			return err
		}
	}
	if entry, err := split(encoded); err == nil {
		Answer(entry)
	}
	return nil
}
