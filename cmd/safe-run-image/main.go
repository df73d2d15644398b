// Command safe-run-image unpacks images for safe-run, which starts it when an
// image is not in its store yet. It is a program of its own so that parsers of
// foreign formats are no part of the launcher.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
