// Package bundle is the entry point of a bundle's init: the program that made
// the container has ended by the time that its program runs, so that init, other
// than that of sandbox/initproc, does not die with its parent.
//
// Like initproc it runs before Go does in whoever imports it, so only main
// packages and test mains may.
package bundle

import (
	"os"

	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // libcontainer's own constructor

	_ "github.com/safe-run/safe-run/sandbox/initproc/light"
	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

func init() {
	if len(os.Args) > 1 && os.Args[1] == "init" && os.Getenv("_LIBCONTAINER_INITPIPE") != "" {
		if compiled.Given() != nil {
			os.Exit(1)
		}
		libcontainer.Init() // never returns
	}
}
