package service

import (
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Inside is a socket that a container sends to as if it were the service
// manager's.
type Inside struct {
	conn *net.UnixConn
	path string
	pass func(lines []string)
	done sync.WaitGroup
	over atomic.Bool // nothing more is passed on
	// patience bounds Close, whatever pass takes.
	patience time.Duration
}

// Bounds of what a container says: mostMessage is how much is looked at, and
// mostStatus how long a status is.
const (
	mostMessage = 4096
	mostStatus  = 200
)

// pause is the time between two messages of a container, so that it cannot keep
// launcher and service manager busy. Those who send wait.
const pause = 20 * time.Millisecond

// Listen makes the socket, and hands what a container may say to pass until
// Close. Descriptors that are sent along are never received: the kernel drops
// them with the message.
func Listen(path string, pass func(lines []string)) (*Inside, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	// Whoever has the path may send; only the container does, because others
	// cannot walk through the sandbox's directory.
	if err := os.Chmod(path, 0o666); err != nil {
		conn.Close()
		return nil, err
	}
	i := &Inside{conn: conn, path: path, pass: pass, patience: patience}
	i.done.Go(i.forward)
	return i, nil
}

func (i *Inside) forward() {
	message := make([]byte, mostMessage)
	for {
		n, err := i.conn.Read(message)
		if err != nil {
			return // the deadline of Close
		}
		i.hand(message[:n])
		time.Sleep(pause)
	}
}

func (i *Inside) hand(message []byte) {
	if lines := Passed(message); len(lines) > 0 && i.pass != nil && !i.over.Load() {
		i.pass(lines)
	}
}

// mostWaiting bounds what is still passed on when the container has ended
// (net.unix.max_dgram_qlen is 10, or what the host has made of it).
const mostWaiting = 16

// Close ends it, when the container has ended: what it has said by then is
// passed on, unless whoever it is passed on to is slow.
func (i *Inside) Close() {
	_ = i.conn.SetReadDeadline(time.Now())
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		i.done.Wait()
		for _, message := range i.waiting() {
			i.hand(message)
		}
	}()
	select {
	case <-passed:
	case <-time.After(i.patience):
	}
	i.over.Store(true)
	i.conn.Close()
	_ = os.Remove(i.path)
}

// waiting takes the messages that nobody has read. The socket is not held while
// they are passed on, which would hold up its end.
func (i *Inside) waiting() (messages [][]byte) {
	raw, err := i.conn.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		for range mostWaiting {
			message := make([]byte, mostMessage)
			n, _, err := unix.Recvfrom(int(fd), message, unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			messages = append(messages, message[:n])
		}
	})
	return messages
}

// Passed gives the lines of a container's message that are passed on. Who is
// the main process, what may notify, and descriptors are the launcher's to say.
func Passed(message []byte) (lines []string) {
	seen := map[string]bool{}
	for line := range strings.SplitSeq(string(message), "\n") {
		name, value, _ := strings.Cut(line, "=")
		switch {
		case seen[name]:
			continue
		case name == "STATUS":
			line = "STATUS=" + status(value)
		case line != "READY=1" && line != "STOPPING=1" && line != "WATCHDOG=1" && line != "RELOADING=1":
			continue
		}
		seen[name] = true
		lines = append(lines, line)
	}
	return lines
}

// status is the printable beginning of a text.
func status(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) > mostStatus {
		text = strings.ToValidUTF8(text[:mostStatus], "")
	}
	return text
}
