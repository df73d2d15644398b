package network

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A peer is a process in a network namespace of its own that does what it is
// told over a pipe: it is the sandbox, the neighbour and the outside.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
	mu  sync.Mutex
}

// order is one thing to do, answer what came of it.
type order struct {
	Op    string // listen, dial, hold, more, frame, received, interfaces
	Proto string // tcp, udp
	Addr  string
	Frame []byte
}

type answer struct{ Result string }

// startPeer starts one, in a user namespace of its own if it is a sandbox.
func startPeer(sandbox bool) (*peer, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"="+rolePeer)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if sandbox {
		one := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = one, one
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &peer{cmd: cmd, in: in, out: json.NewDecoder(out)}, nil
}

func (p *peer) pid() int { return p.cmd.Process.Pid }

func (p *peer) stop() {
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (p *peer) do(o order) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var a answer
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		return "peer: " + err.Error()
	}
	if err := p.out.Decode(&a); err != nil {
		return "peer: " + err.Error()
	}
	return a.Result
}

func (p *peer) dial(proto, addr string) string {
	return p.do(order{Op: "dial", Proto: proto, Addr: addr})
}

// received is how many datagrams came.
func (p *peer) received() string { return p.do(order{Op: "received"}) }

func (p *peer) listen(t *testing.T, proto, addr string) {
	t.Helper()
	if got := p.do(order{Op: "listen", Proto: proto, Addr: addr}); got != "ok" {
		t.Fatalf("listen on %s %s: %s", proto, addr, got)
	}
}

func runPeer() int {
	w := &worker{}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return 0
		}
		if err := out.Encode(answer{w.do(o)}); err != nil {
			return 1
		}
	}
}

// worker does the orders; the host has one as well.
type worker struct {
	datagrams atomic.Int64
	sniffed   atomic.Int64
	held      net.Conn
	closers   []io.Closer
}

func (w *worker) do(o order) string {
	switch o.Op {
	case "listen":
		return result(w.listen(o.Proto, o.Addr))
	case "dial":
		return dial(o.Proto, o.Addr)
	case "hold":
		var err error
		w.held, err = net.DialTimeout(o.Proto, o.Addr, dialTimeout)
		if err != nil {
			return result(err)
		}
		return exchange(w.held)
	case "more":
		return exchange(w.held)
	case "frame":
		return result(sendFrame(o.Addr, o.Frame))
	case "scatter":
		return result(scatter(o.Addr))
	case "sniff":
		return result(w.sniff(o.Addr))
	case "sniffed":
		return fmt.Sprint(w.sniffed.Load())
	case "received":
		return fmt.Sprint(w.datagrams.Load())
	case "interfaces":
		return interfaces()
	}
	return "unknown order " + o.Op
}

func (w *worker) close() {
	for _, c := range w.closers {
		c.Close()
	}
}

// addresses of an address: a datagram socket on all of them would answer from
// another one than it was asked on.
func addresses(addr string) (out []string) {
	host, port, _ := strings.Cut(addr, ":")
	if host != "0.0.0.0" {
		return []string{addr}
	}
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
			out = append(out, n.IP.String()+":"+port)
		}
	}
	return out
}

// listen answers each line or datagram with the address it came from.
func (w *worker) listen(proto, addr string) error {
	if proto == "udp" {
		for _, a := range addresses(addr) {
			c, err := net.ListenPacket("udp4", a)
			if err != nil {
				return err
			}
			w.closers = append(w.closers, c)
			go w.echo(c)
		}
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	w.closers = append(w.closers, l)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					if _, err := r.ReadString('\n'); err != nil {
						return
					}
					fmt.Fprintln(c, c.RemoteAddr())
				}
			}()
		}
	}()
	return nil
}

func (w *worker) echo(c net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		_, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		w.datagrams.Add(1)
		c.WriteTo([]byte(from.String()+"\n"), from)
	}
}

// dialTimeout is how long silence lasts. A machine under load may take longer
// over an answer: settle tries again.
const dialTimeout = 700 * time.Millisecond

// settle repeats f while it comes out otherwise than good.
func settle(good func(string) bool, f func() string) (got string) {
	for range 4 {
		if got = f(); good(got) {
			break
		}
	}
	return got
}

// dial gives "ok" and how the other side saw us, or why not.
func dial(proto, addr string) string {
	c, err := net.DialTimeout(proto, addr, dialTimeout)
	if err != nil {
		return result(err)
	}
	defer c.Close()
	return exchange(c)
}

func exchange(c net.Conn) string {
	c.SetDeadline(time.Now().Add(dialTimeout))
	if _, err := fmt.Fprintln(c, "hello"); err != nil {
		return result(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return result(err)
	}
	return "ok " + line[:len(line)-1]
}

func result(err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET), errors.Is(err, io.EOF):
		return "refused"
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EACCES):
		return "unreachable"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return err.Error()
}

// sendFrame sends a whole Ethernet frame on an interface.
func sendFrame(ifname string, frame []byte) error {
	i, err := net.InterfaceByName(ifname)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: i.Index})
}

// scattered is how many ports scatter sends to.
const scattered = 3000

// scatter sends a datagram to each of the first ports of an address, and one to
// the metadata service.
func scatter(addr string) error {
	c, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		return err
	}
	defer c.Close()
	for port := 1; port <= scattered; port++ {
		if _, err := c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(addr), Port: port}); err != nil {
			return err
		}
	}
	_, err = c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(metadataIP), Port: 80})
	return err
}

// sniff counts the IPv4 packets that come in with a source address.
func (w *worker) sniff(src string) error {
	const ip = 0x0008 // ETH_P_IP in network byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, ip)
	if err != nil {
		return err
	}
	want := net.ParseIP(src).To4()
	go func() {
		buf := make([]byte, 2048)
		for {
			n, err := unix.Read(fd, buf)
			if err != nil {
				return
			}
			if n >= 20 && bytes.Equal(buf[12:16], want) {
				w.sniffed.Add(1)
			}
		}
	}()
	return nil
}

func interfaces() (out string) {
	all, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	for _, i := range all {
		addrs, _ := i.Addrs()
		out += fmt.Sprintln(i.Name, i.Flags&net.FlagUp != 0, addrs)
	}
	return out
}
