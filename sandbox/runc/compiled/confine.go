//go:build cgo && seccomp

package compiled

/*
#include "answer.h"
*/
import "C"

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc/landlock"
)

// confining is what this process puts itself under when it makes its filter.
var confining struct {
	Confinement
	fifo int
}

// confineBy makes this process, libcontainer's init, put itself under rules when
// libcontainer makes its filter: every mount is there then, the user is the
// container's, and what follows on the same thread is a fifo and execve(2).
func confineBy(rules []byte) error {
	if err := json.Unmarshal(rules, &confining.Confinement); err != nil {
		return err
	}
	if confining.Landlock == nil && len(confining.Limits) == 0 {
		return errors.New("the rules for Landlock hold nothing")
	}
	confining.fifo = -1 // who joins has none
	if fd, err := strconv.Atoi(os.Getenv(fifo)); err == nil {
		confining.fifo = fd
	}
	C.safe_run_filter_confine()
	return nil
}

// safe_run_confine is called by answer.c, on the thread that will execute the
// program.
//
//export safe_run_confine
func safe_run_confine() C.int {
	// The fifo is the host's, and opened once more. Standard streams may be files
	// of the host's as well, which programs open again as /dev/stdout.
	opened := append(procs(), confining.fifo, 0, 1, 2)
	if confining.Landlock != nil && landlock.Restrict(confining.Landlock, opened...) != nil {
		return -1
	}
	for _, l := range confining.Limits {
		// By package syscall, which then forgets the limit of files that it would
		// restore when it executes the program.
		if syscall.Setrlimit(l.Type, &syscall.Rlimit{Cur: l.Soft, Max: l.Hard}) != nil {
			return -1
		}
	}
	return 0
}

// procs are the descriptors of /proc that libcontainer keeps, of a mount that is
// nowhere. It looks there for what it has to close before it executes the
// program, and closes them, too.
func procs() (fds []int) {
	const most = 64
	for fd := 3; fd < most; fd++ {
		var stat unix.Statfs_t
		if unix.Fstatfs(fd, &stat) == nil && stat.Type == unix.PROC_SUPER_MAGIC {
			fds = append(fds, fd)
		}
	}
	return fds
}
