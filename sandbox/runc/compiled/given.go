package compiled

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// PidfdSocket is the environment variable that names the descriptor which
// libcontainer's init is given as Process.PidfdSocket.
const PidfdSocket = "_LIBCONTAINER_PIDFD_SOCK"

// Given takes the filter that came to libcontainer's init in the place of a
// socket, if one did. It is for init, before libcontainer begins.
func Given() {
	fd, err := strconv.Atoi(os.Getenv(PidfdSocket))
	if err == nil && IsSealed(fd) {
		os.Unsetenv(PidfdSocket)
		Take(fd)
	}
}

// Take closes what Sealed has made, and keeps what is in it for libcontainer,
// which will ask for it. Without it, libcontainer compiles.
func Take(fd int) {
	defer unix.Close(fd)
	if entry, err := Unseal(fd); err == nil {
		Answer(entry)
	}
}
