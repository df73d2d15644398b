// Command safe-run-oci is runc's command line, for Docker, Podman and CRI-O to
// start containers with: the bundle's config.json is met with a profile.
package main

import (
	"os"

	"github.com/safe-run/safe-run/cmd/safe-run-oci/cli"
	// The container's init starts here, before main.
	_ "github.com/safe-run/safe-run/sandbox/initproc/bundle"
)

func main() {
	os.Exit(cli.Main(os.Args, cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
