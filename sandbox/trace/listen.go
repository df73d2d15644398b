package trace

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Listener takes the descriptors of the filters of one sandbox and answers what
// comes out of them: that of the first process, and of each further one.
type Listener struct {
	path   string
	socket *net.UnixListener
	tally  *Tally
	pace   *pace
	wait   sync.WaitGroup
	giving sync.RWMutex // read while an answer is given and counted

	mu    sync.Mutex
	files map[*os.File]bool
	// dropped: what comes now is let go of at once.
	dropped bool
}

// Listen listens at path, in a directory that only root may enter.
func Listen(path string, tally *Tally) (*Listener, error) {
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l := &Listener{path: path, socket: socket, tally: tally, pace: newPace(), files: map[*os.File]bool{}}
	l.wait.Go(l.accept)
	return l, nil
}

// Settle waits until every answer that the kernel has taken is counted.
func (l *Listener) Settle() {
	l.giving.Lock()
	defer l.giving.Unlock()
}

// lastWords is how long Close waits for filters that somebody still has: when
// all processes have ended there are none.
const lastWords = 200 * time.Millisecond

// Close takes no further descriptors and answers no more. From here on the
// kernel refuses by itself, with ENOSYS.
func (l *Listener) Close() error {
	err := l.socket.Close()
	late := time.AfterFunc(lastWords, l.drop)
	l.wait.Wait()
	late.Stop()
	return err
}

// drop lets go of all descriptors.
func (l *Listener) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped = true
	for f := range l.files {
		f.Close()
	}
}

// hold notes a descriptor, so that drop finds it.
func (l *Listener) hold(f *os.File, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held && !l.dropped {
		l.files[f] = true
		return
	}
	delete(l.files, f)
	f.Close()
}

func (l *Listener) accept() {
	for {
		conn, err := l.socket.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // no descriptor is left, perhaps
			continue
		}
		l.wait.Go(func() {
			f, err := receive(conn)
			if err != nil {
				return
			}
			l.hold(f, true)
			defer l.hold(f, false)
			l.serve(f)
		})
	}
}

// maxMessage bounds what comes with a descriptor: an OCI process state.
const maxMessage = 64 << 10

var errNoDescriptor = errors.New("no descriptor came")

// handOver bounds the time that a descriptor takes to come: who sends it may have
// been stopped.
const handOver = 5 * time.Second

// receive takes the descriptor that libcontainer sends, and all that comes with
// it: who sends it waits until that has been read.
func receive(conn *net.UnixConn) (*os.File, error) {
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(handOver))
	f, err := descriptor(conn)
	if err == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
	return f, err
}

func descriptor(conn *net.UnixConn) (*os.File, error) {
	data, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(data, oob)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil, errNoDescriptor
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errNoDescriptor
	}
	unix.CloseOnExec(fds[0])
	// Without blocking, so that a parked goroutine waits and no thread.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "seccomp"), nil
}
