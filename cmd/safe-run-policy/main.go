// Command safe-run-policy says what a policy is worth and carries it elsewhere:
// it attacks a sandbox from inside, judges configurations and hosts, exports
// profiles and converts what others have. It is a program of its own so that the
// attacks, the report writers and the formats of others are no part of the
// launcher, which runs the containers for it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/safe-run/safe-run/cmd/safe-run-policy/cli"
	"github.com/safe-run/safe-run/sandbox/vm"
	"github.com/safe-run/safe-run/sandbox/vm/guest"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == vm.GuestVerb && os.Getpid() == 1 {
		guest.Main() // the first process of a machine of verify --vm
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := cli.Main(ctx, os.Args, cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
