package initproc

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
)

// introduce is what a further process of a container does first, when it is in
// the namespaces and is still ours: it hands a pidfd of itself to whoever
// started it and waits for leave to go on. That one looks whether the
// container is still the one that was meant, and makes sure that this process
// ends with it. When it has gone in the meantime there is no answer.
//
// A socket of another kind is libcontainer's own --pidfd-socket, and left to it.
func introduce() error {
	socket, err := strconv.Atoi(os.Getenv(compiled.PidfdSocket))
	if err != nil {
		return nil
	}
	kind, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return nil
	}
	defer unix.Close(socket)
	os.Unsetenv(compiled.PidfdSocket)
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(self)
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(self), nil, 0); err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	oob := make([]byte, unix.CmsgSpace(4))
	answer := make([]byte, 1)
	for {
		n, oobn, _, _, err := unix.Recvmsg(socket, answer, oob, unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 {
			return errors.New("who started this process is gone")
		}
		if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(messages) == 1 {
			if fds, err := unix.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
				return compiled.Take(fds[0])
			}
		}
		if answer[0] != compiled.Alone {
			return errors.New("what was to come with the answer did not")
		}
		return nil
	}
}
