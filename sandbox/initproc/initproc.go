// Package initproc is what the binary does when it is executed again: as the
// container's init, as the warden, and as the first process that reaps.
//
// Its C constructors run before Go does in whoever imports it, so only main
// packages and test mains may.
package initproc

/*
#cgo LDFLAGS: -Wl,--wrap=mmap
#include "early.h"
*/
import "C"

import (
	"os"

	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // libcontainer's own constructor
	"golang.org/x/sys/unix"

	_ "github.com/safe-run/safe-run/sandbox/initproc/light"
	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

// WardenName is the argv[0] that makes the binary a warden.
const WardenName = "safe-run-warden"

// ExecWardenName is the argv[0] that makes the binary the warden of a process
// that was started in a running container, and DrainName the one that makes it
// the reader of a terminal that nobody reads any more; see join.c.
const (
	ExecWardenName = "safe-run-exec-warden"
	DrainName      = "safe-run-drain"
)

// ReaperPath is where the binary is mounted to be the container's first
// process; its base name is the argv[0] that makes it one.
const ReaperPath = "/.safe-run-init"

// PreparedPath is where it is mounted to wait for its program; see prepared.c.
const PreparedPath = "/.safe-run-prepared"

func init() {
	if len(os.Args) < 2 || os.Args[1] != "init" || os.Getenv("_LIBCONTAINER_INITPIPE") == "" {
		return
	}
	if os.Getenv("_LIBCONTAINER_INITTYPE") == "setns" {
		if introduce() != nil {
			os.Exit(1)
		}
		libcontainer.Init() // never returns
	}
	// fork(2) clears the parent-death signal, and this process is a fork of
	// the one that libcontainer set it for. From here on libcontainer keeps
	// it across the change of user.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if compiled.Given() != nil {
		os.Exit(1)
	}
	libcontainer.Init() // never returns
}

// Warden says whether this process is a warden whose launcher has died
// without cleaning up, and of which sandbox below which state directory.
func Warden() (root, id string, ok bool) {
	if len(os.Args) == 3 && os.Args[0] == WardenName {
		return os.Args[1], os.Args[2], true
	}
	return "", "", false
}

// Settles says whether a warden is to remove what is left of the network below
// its state directory, and nothing else: its own sandbox has been cleaned up.
func Settles() bool { return C.safe_run_settles != 0 }

// Idle says whether the network that sandboxes share had fallen idle when a warden
// was told to remove a sandbox, which it then has not: it settles that as well.
func Idle() bool { return C.safe_run_idle != 0 }
