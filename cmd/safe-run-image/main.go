// Command safe-run-image finds, checks, unpacks and looks after images for
// safe-run, which starts it when an image is not in its store yet. It is a
// program of its own so that parsers of foreign formats and the network are no
// part of the launcher.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/safe-run/safe-run/cmd/safe-run-image/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := cli.Main(ctx, os.Args, cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
