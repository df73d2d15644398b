// Command safe-run starts a container that is locked down unless its profile
// says otherwise.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/safe-run/safe-run/cmd/safe-run/cli"
	"github.com/safe-run/safe-run/sandbox"

	// The container's init, the warden and the reaper start here, before main.
	"github.com/safe-run/safe-run/sandbox/initproc"
)

func main() {
	if root, id, ok := initproc.Warden(); ok {
		collect := func() error {
			err := sandbox.Collect(root, id)
			if initproc.Idle() {
				err = errors.Join(err, sandbox.SettleNetwork(root))
			}
			return err
		}
		if initproc.Settles() {
			collect = func() error { return sandbox.SettleNetwork(root) }
		}
		if collect() != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(cli.Main(context.Background(), os.Args[1:], cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Front: cli.FrontSocket(), Order: cli.TakeOrder()}))
}
