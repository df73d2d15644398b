package shim

import (
	"errors"
	"os"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec/problem"
)

// answer is an error as containerd tells it to its clients: the kind as they
// know it, and the hint in the one line that they show.
func answer(err error) error {
	if hint := problem.HintOf(err); hint != "" {
		return errgrpc.ToGRPCf(errdefs.ErrFailedPrecondition, "%v (%s)", err, hint)
	}
	return errgrpc.ToGRPC(err)
}

func notFound(format string, args ...any) error {
	return errgrpc.ToGRPCf(errdefs.ErrNotFound, format, args...)
}

func notNow(format string, args ...any) error {
	return errgrpc.ToGRPCf(errdefs.ErrFailedPrecondition, format, args...)
}

// signalled says of a signal that could not be sent whether it came too late,
// which callers look for.
func signalled(err error) error {
	if errors.Is(err, runc.ErrNotRunning) || errors.Is(err, os.ErrProcessDone) {
		return notFound("process already finished")
	}
	return answer(err)
}
