package trace

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The requests of seccomp_unotify(2) (include/uapi/linux/seccomp.h).
const (
	ioctlReceive = 0xc0502100
	ioctlSend    = 0xc0182101
)

// notification is struct seccomp_notif.
type notification struct {
	id    uint64
	tid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// serve answers until nobody has the filter any more.
func (l *Listener) serve(f *os.File) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(fd uintptr) (over bool) {
		for {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(fds, 0)
			switch {
			case errors.Is(err, unix.EINTR):
			case err != nil:
				return true
			case n == 0:
				return false // wait
			case fds[0].Revents&unix.POLLIN == 0:
				return true // nobody is left
			default:
				l.answer(int(fd))
			}
		}
	})
}

// answer takes one call, if it has not been given up meanwhile, and refuses it.
//
// It is counted when the kernel has taken the answer: a call that a signal
// interrupts before is made once more by the kernel and comes again.
func (l *Listener) answer(fd int) {
	var n notification
	if ioctl(fd, ioctlReceive, unsafe.Pointer(&n)) != nil {
		return
	}
	who := identify(int(n.tid))
	l.pace.wait()
	l.giving.RLock()
	defer l.giving.RUnlock()
	r := response{id: n.id, errno: -int32(l.tally.teller.Answer(int(n.nr), n.args))}
	if ioctl(fd, ioctlSend, unsafe.Pointer(&r)) == nil {
		l.tally.count(n, who)
	}
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
