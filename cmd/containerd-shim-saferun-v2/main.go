// Command containerd-shim-saferun-v2 is a runtime of containerd,
// io.containerd.saferun.v2: each container is met with a profile and run in this
// process by the sandbox's own code.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/safe-run/safe-run/sandbox/network"
	"github.com/safe-run/safe-run/sandbox/shim"
	"github.com/safe-run/safe-run/spec"

	// The container's init starts here, before main.
	_ "github.com/safe-run/safe-run/sandbox/initproc/bundle"
	// And so does a start, which becomes the service.
	_ "github.com/safe-run/safe-run/sandbox/shim/early"
)

// enclose holds a network namespace to what a profile lets out.
func enclose(path string, n spec.Network) (shim.Enclosure, error) { return network.Enclose(path, n) }

func main() {
	c := shim.Config{
		Name: "io.containerd.saferun.v2", Policy: meet, Notices: noticesIn, Enclose: enclose,
		Stdin: os.Stdin, Stdout: os.Stdout, Again: again,
	}
	if err := shim.Run(context.Background(), c); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", c.Name, err)
		os.Exit(1)
	}
}

// again forgets flags.
func again() { flag.CommandLine = flag.NewFlagSet(os.Args[0], flag.ExitOnError) }
