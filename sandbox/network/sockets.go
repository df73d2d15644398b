package network

import (
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// sockets keeps netfilter's netlink sockets open. Who closes one waits until the
// kernel has freed whatever anybody has taken out of the packet filter
// (nft_rcv_nl_event calls nf_tables_trans_destroy_flush_work), which is a grace
// period of RCU, 5 to 20 ms, and a launcher would do so several times.
type sockets struct {
	mu   sync.Mutex
	fds  []int
	time *time.Timer
}

// keep holds a socket open beyond its user's own close.
func (s *sockets) keep(c *netlink.Conn) error {
	if s == nil {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	fd, failed := -1, error(nil)
	err = raw.Control(func(own uintptr) {
		fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil || failed != nil {
		return failed // then it is closed as ever
	}
	s.mu.Lock()
	s.fds = append(s.fds, fd)
	s.mu.Unlock()
	return nil
}

// take gives the sockets away.
func (s *sockets) take() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.time != nil {
		s.time.Stop()
	}
	fds := s.fds
	s.fds = nil
	return fds
}

func (s *sockets) close() {
	for _, fd := range s.take() {
		unix.Close(fd)
	}
}

// closeLater closes them, unless they are taken soon: who launches something
// that ends at once does not wait for it, and who stays does not keep them.
func (s *sockets) closeLater() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time = time.AfterFunc(time.Second, s.close)
}
