package cli

import (
	"os"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec"
)

// runOptions is what a command line of run, spec or explain asks for.
type runOptions struct {
	// Image is the reference as typed.
	Image string
	// Pull says when the image is looked for outside of the store.
	Pull image.Pull
	// Request is what this run asks for beside policy.
	Request spec.Request
	// Profile is the name or file given with --profile.
	Profile string
	// Layer is policy set by flags; it is layered over the profile and may
	// loosen it. Its origins name the flags.
	Layer profiles.Profile
	// CapDrop are capabilities taken away from the profile's, without CAP_;
	// "ALL" takes them all. Layer's are added afterwards.
	CapDrop []string

	Stdin bool // -i: standard input stays open
	TTY   bool // -t: a terminal of its own
	// SigProxy passes signals on to the first process.
	SigProxy bool
	// DetachKeys is the sequence of bytes that ends an attached terminal
	// without stopping the container; empty when there is none.
	DetachKeys []byte
	// Name is what the user calls the container; empty: one is made up.
	Name string
	// CIDFile receives the container's id; empty: none is written.
	CIDFile string

	// Detach runs it in the background, under a supervisor.
	Detach bool
	// Pool is the name of the pool in one of whose sandboxes it runs; empty:
	// in one of its own.
	Pool string
	// AutoRemove forgets a detached container when it ends; nil: nobody said.
	AutoRemove *bool
	// Restart says when a detached container is started again.
	Restart ledger.Restart
	// Log bounds the log of a detached container.
	Log ledger.LogLimit
	// NoHealth runs no check of health.
	NoHealth bool
	// Again is the command line that means the same later and elsewhere,
	// without what the ledger has of its own.
	Again []string

	// SDNotify is when the service manager hears that it is ready; empty:
	// nobody said.
	SDNotify string
	// notifier tells it, and sockets are the service manager's; see serve.
	notifier *notifier
	sockets  []*os.File

	// Edit changes the plan before it is carried out; see attack.
	Edit func(*prepared) error

	Format format
	// Explain tells of each denial when it happens.
	Explain bool
	// Quiet leaves out the line that tells how the container ended.
	Quiet bool
}

// exitError ends the program with Code. Err is what is printed; when it is nil
// nothing more is said.
type exitError struct {
	Code int
	Err  error
}

// Error implements error.
func (e *exitError) Error() string {
	if e.Err == nil {
		return "exit"
	}
	return e.Err.Error()
}

// Unwrap gives the cause.
func (e *exitError) Unwrap() error { return e.Err }

// exitLauncher is docker's code for a container that could not be started.
const exitLauncher = 125

// usageError is an error of the command line, which has docker's code too: what
// a verb found out is another one.
func usageError(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{Code: exitLauncher, Err: err}
}
