package trace

import (
	"errors"
	"os"
	"time"
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
	for over := false; !over; {
		err := conn.Read(func(fd uintptr) bool {
			wait := false
			over, wait = l.drain(int(fd))
			return !wait
		})
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			// The kernel's lock of the filter was interrupted by a signal to this
			// process, which looks like an error of the descriptor and is none.
			time.Sleep(time.Millisecond)
		}
	}
}

// drain answers what there is; over says that nobody has the filter any more,
// and wait that there is nothing yet.
func (l *Listener) drain(fd int) (over, wait bool) {
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return true, false
		case n == 0:
			return false, true
		case fds[0].Revents&unix.POLLIN != 0:
			l.answer(fd)
		case fds[0].Revents&(unix.POLLHUP|unix.POLLNVAL) != 0:
			return true, false
		}
		// POLLERR alone is an interrupted lock: it is asked again.
	}
}

// answer takes one call, if it has not been given up meanwhile, and refuses it.
//
// It is counted when the kernel has taken the answer: a call that a signal
// interrupts before is made once more by the kernel and comes again, or fails with
// EINTR where the handler does not want that (SA_RESTART). What follows a
// violation follows in either case.
func (l *Listener) answer(fd int) {
	var n notification
	if ioctl(fd, ioctlReceive, unsafe.Pointer(&n)) != nil {
		return
	}
	d := l.tally.teller.Denial(int(n.nr), n.args)
	who := identify(int(n.tid))
	waits := d
	waits.Process, waits.Pid, waits.Tid, waits.Count = who.name, who.pid, who.tid, 1
	// A reaction does not queue behind a flood.
	if l.tally.Before != nil && l.tally.Before(waits) {
		l.giving.RLock()
		defer l.giving.RUnlock()
		l.tally.count(d, who)
		return
	}
	l.pace.wait(costs[d.Severity])
	l.giving.RLock()
	defer l.giving.RUnlock()
	r := response{id: n.id, errno: -int32(l.tally.teller.Answer(int(n.nr), n.args))}
	err := ioctl(fd, ioctlSend, unsafe.Pointer(&r))
	for errors.Is(err, unix.EINTR) { // before it was looked at: whoever waits would wait for ever
		err = ioctl(fd, ioctlSend, unsafe.Pointer(&r))
	}
	if err == nil {
		l.tally.count(d, who)
	} else if l.tally.GivenUp != nil {
		l.tally.GivenUp(waits)
	}
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
